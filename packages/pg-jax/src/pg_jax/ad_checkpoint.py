"""``jax.ad_checkpoint``: computing values again for derivatives."""

from ._custom import checkpoint as checkpoint
from ._custom import checkpoint_name as checkpoint_name
from ._custom import checkpoint_policies as checkpoint_policies
from ._custom import remat as remat
