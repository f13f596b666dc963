"""The compiler of generated kernels: LLVM through llvmlite.

The core calls this at the first kernel that is worth compiling and not in the disk cache; importing pequegrad
does not. LLVM runs without Python's lock, so other threads go on meanwhile.
"""

from __future__ import annotations

import functools
import threading
from typing import Any


@functools.cache
def version() -> str:
    """What compiles here, for the keys of the disk cache; "" when llvmlite is not installed."""
    from importlib import metadata  # late: it costs milliseconds that an import of pequegrad need not pay

    try:
        return f"llvmlite {metadata.version('llvmlite')}"
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def _target_of(cpu: str, features: str) -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    # opt=1: the generator has done what passes would do; more costs time and gains nothing.
    return target.create_target_machine(cpu=cpu, features=features, opt=1, reloc="pic", codemodel="small")


_one_at_a_time = threading.Lock()  # a target machine serves one thread


def compile_text(text: str, cpu: str, features: str) -> bytes:
    """The object file of a module of LLVM IR; raises when it is not well-formed."""
    import llvmlite.binding as llvm

    with _one_at_a_time:
        machine = _target_of(cpu, features)
        module = llvm.parse_assembly(text)
        return bytes(machine.emit_object(module))
