; runtime 1
define void @p0(ptr %buffers, i64 %begin, i64 %end, ptr %runtime) nounwind {
entry:
  %v7 = alloca [64 x double], align 64
  %v0 = getelementptr ptr, ptr %buffers, i64 0
  %v1 = load ptr, ptr %v0
  %v2 = getelementptr ptr, ptr %buffers, i64 1
  %v3 = load ptr, ptr %v2
  br label %head0
head0:
  %v4 = phi i64 [ %begin, %entry ], [ %v5, %latch2 ]
  %v5 = add i64 %v4, 1
  %v6 = icmp sle i64 %v5, %end
  br i1 %v6, label %body1, label %done3
body1:
  store <8 x double> splat (double 0x0000000000000000), ptr %v7, align 64
  %v8 = getelementptr double, ptr %v7, i64 8
  store <8 x double> splat (double 0x0000000000000000), ptr %v8, align 64
  %v9 = getelementptr double, ptr %v7, i64 16
  store <8 x double> splat (double 0x0000000000000000), ptr %v9, align 64
  %v10 = getelementptr double, ptr %v7, i64 24
  store <8 x double> splat (double 0x0000000000000000), ptr %v10, align 64
  %v11 = getelementptr double, ptr %v7, i64 32
  store <8 x double> splat (double 0x0000000000000000), ptr %v11, align 64
  %v12 = getelementptr double, ptr %v7, i64 40
  store <8 x double> splat (double 0x0000000000000000), ptr %v12, align 64
  %v13 = getelementptr double, ptr %v7, i64 48
  store <8 x double> splat (double 0x0000000000000000), ptr %v13, align 64
  %v14 = getelementptr double, ptr %v7, i64 56
  store <8 x double> splat (double 0x0000000000000000), ptr %v14, align 64
  br label %head4
head4:
  %v15 = phi i64 [ 0, %body1 ], [ %v16, %latch6 ]
  %v16 = add i64 %v15, 32
  %v17 = icmp sle i64 %v16, 70
  br i1 %v17, label %body5, label %done7
body5:
  %v18 = mul i64 %v4, 70
  %v19 = add i64 %v18, %v15
  %v20 = getelementptr float, ptr %v1, i64 %v19
  %v21 = load <8 x float>, ptr %v20, align 4
  %v22 = getelementptr float, ptr %v20, i64 8
  %v23 = load <8 x float>, ptr %v22, align 4
  %v24 = getelementptr float, ptr %v20, i64 16
  %v25 = load <8 x float>, ptr %v24, align 4
  %v26 = getelementptr float, ptr %v20, i64 24
  %v27 = load <8 x float>, ptr %v26, align 4
  %v28 = fpext <8 x float> %v21 to <8 x double>
  %v29 = fpext <8 x float> %v23 to <8 x double>
  %v30 = fpext <8 x float> %v25 to <8 x double>
  %v31 = fpext <8 x float> %v27 to <8 x double>
  %v32 = and i64 %v15, 63
  %v33 = getelementptr double, ptr %v7, i64 %v32
  %v34 = load <8 x double>, ptr %v33, align 16
  %v35 = fadd <8 x double> %v34, %v28
  store <8 x double> %v35, ptr %v33, align 16
  %v36 = getelementptr double, ptr %v33, i64 8
  %v37 = load <8 x double>, ptr %v36, align 16
  %v38 = fadd <8 x double> %v37, %v29
  store <8 x double> %v38, ptr %v36, align 16
  %v39 = getelementptr double, ptr %v33, i64 16
  %v40 = load <8 x double>, ptr %v39, align 16
  %v41 = fadd <8 x double> %v40, %v30
  store <8 x double> %v41, ptr %v39, align 16
  %v42 = getelementptr double, ptr %v33, i64 24
  %v43 = load <8 x double>, ptr %v42, align 16
  %v44 = fadd <8 x double> %v43, %v31
  store <8 x double> %v44, ptr %v42, align 16
  br label %latch6
latch6:
  br label %head4
done7:
  br label %head8
head8:
  %v45 = phi i64 [ %v15, %done7 ], [ %v46, %latch10 ]
  %v46 = add i64 %v45, 8
  %v47 = icmp slt i64 %v45, 70
  br i1 %v47, label %body9, label %done11
body9:
  %v48 = sub i64 70, %v45
  %v49 = trunc i64 %v48 to i32
  %v50 = insertelement <8 x i32> poison, i32 %v49, i64 0
  %v51 = shufflevector <8 x i32> %v50, <8 x i32> poison, <8 x i32> zeroinitializer
  %v52 = icmp slt <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>, %v51
  %v53 = mul i64 %v4, 70
  %v54 = add i64 %v53, %v45
  %v55 = getelementptr float, ptr %v1, i64 %v54
  %v56 = call <8 x float> @llvm.masked.load.v8f32.p0(ptr align 4 %v55, <8 x i1> %v52, <8 x float> zeroinitializer)
  %v57 = fpext <8 x float> %v56 to <8 x double>
  %v58 = and i64 %v45, 63
  %v59 = getelementptr double, ptr %v7, i64 %v58
  %v60 = load <8 x double>, ptr %v59, align 16
  %v61 = fadd <8 x double> %v60, %v57
  %v62 = select <8 x i1> %v52, <8 x double> %v61, <8 x double> %v60
  store <8 x double> %v62, ptr %v59, align 16
  br label %latch10
latch10:
  br label %head8
done11:
  %v63 = load <8 x double>, ptr %v7, align 64
  %v64 = load <8 x double>, ptr %v8, align 64
  %v65 = load <8 x double>, ptr %v9, align 64
  %v66 = load <8 x double>, ptr %v10, align 64
  %v67 = load <8 x double>, ptr %v11, align 64
  %v68 = load <8 x double>, ptr %v12, align 64
  %v69 = load <8 x double>, ptr %v13, align 64
  %v70 = load <8 x double>, ptr %v14, align 64
  %v71 = fadd <8 x double> %v63, %v67
  %v72 = fadd <8 x double> %v64, %v68
  %v73 = fadd <8 x double> %v65, %v69
  %v74 = fadd <8 x double> %v66, %v70
  %v75 = fadd <8 x double> %v71, %v73
  %v76 = fadd <8 x double> %v72, %v74
  %v77 = fadd <8 x double> %v75, %v76
  %v78 = shufflevector <8 x double> %v77, <8 x double> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %v79 = shufflevector <8 x double> %v77, <8 x double> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %v80 = fadd <4 x double> %v78, %v79
  %v81 = shufflevector <4 x double> %v80, <4 x double> poison, <2 x i32> <i32 0, i32 1>
  %v82 = shufflevector <4 x double> %v80, <4 x double> poison, <2 x i32> <i32 2, i32 3>
  %v83 = fadd <2 x double> %v81, %v82
  %v84 = extractelement <2 x double> %v83, i64 0
  %v85 = extractelement <2 x double> %v83, i64 1
  %v86 = fadd double %v84, %v85
  %v87 = fptrunc double %v86 to float
  %v88 = getelementptr float, ptr %v3, i64 %v4
  store float %v87, ptr %v88, align 4
  br label %latch2
latch2:
  br label %head0
done3:
  ret void
}
declare <8 x float> @llvm.masked.load.v8f32.p0(ptr, <8 x i1>, <8 x float>)
!0 = !{i32 1}
