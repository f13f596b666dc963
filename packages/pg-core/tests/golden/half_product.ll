; runtime 1
define void @p0(ptr %buffers, i64 %begin, i64 %end, ptr %runtime) nounwind {
entry:
  %v0 = getelementptr ptr, ptr %buffers, i64 0
  %v1 = load ptr, ptr %v0
  %v2 = getelementptr ptr, ptr %buffers, i64 1
  %v3 = load ptr, ptr %v2
  %v4 = getelementptr ptr, ptr %buffers, i64 2
  %v5 = load ptr, ptr %v4
  br label %head0
head0:
  %v6 = phi i64 [ %begin, %entry ], [ %v7, %latch2 ]
  %v7 = add i64 %v6, 1
  %v8 = icmp sle i64 %v7, %end
  br i1 %v8, label %body1, label %done3
body1:
  br label %head4
head4:
  %v9 = phi i64 [ 0, %body1 ], [ %v10, %latch6 ]
  %v10 = add i64 %v9, 32
  %v11 = icmp sle i64 %v10, 64
  br i1 %v11, label %body5, label %done7
body5:
  %v12 = getelementptr i16, ptr %v1, i64 %v9
  %v13 = load <8 x i16>, ptr %v12, align 2
  %v14 = zext <8 x i16> %v13 to <8 x i32>
  %v15 = shl <8 x i32> %v14, splat (i32 16)
  %v16 = bitcast <8 x i32> %v15 to <8 x float>
  %v17 = getelementptr i16, ptr %v12, i64 8
  %v18 = load <8 x i16>, ptr %v17, align 2
  %v19 = zext <8 x i16> %v18 to <8 x i32>
  %v20 = shl <8 x i32> %v19, splat (i32 16)
  %v21 = bitcast <8 x i32> %v20 to <8 x float>
  %v22 = getelementptr i16, ptr %v12, i64 16
  %v23 = load <8 x i16>, ptr %v22, align 2
  %v24 = zext <8 x i16> %v23 to <8 x i32>
  %v25 = shl <8 x i32> %v24, splat (i32 16)
  %v26 = bitcast <8 x i32> %v25 to <8 x float>
  %v27 = getelementptr i16, ptr %v12, i64 24
  %v28 = load <8 x i16>, ptr %v27, align 2
  %v29 = zext <8 x i16> %v28 to <8 x i32>
  %v30 = shl <8 x i32> %v29, splat (i32 16)
  %v31 = bitcast <8 x i32> %v30 to <8 x float>
  %v32 = getelementptr i16, ptr %v3, i64 %v9
  %v33 = load <8 x i16>, ptr %v32, align 2
  %v34 = zext <8 x i16> %v33 to <8 x i32>
  %v35 = shl <8 x i32> %v34, splat (i32 16)
  %v36 = bitcast <8 x i32> %v35 to <8 x float>
  %v37 = getelementptr i16, ptr %v32, i64 8
  %v38 = load <8 x i16>, ptr %v37, align 2
  %v39 = zext <8 x i16> %v38 to <8 x i32>
  %v40 = shl <8 x i32> %v39, splat (i32 16)
  %v41 = bitcast <8 x i32> %v40 to <8 x float>
  %v42 = getelementptr i16, ptr %v32, i64 16
  %v43 = load <8 x i16>, ptr %v42, align 2
  %v44 = zext <8 x i16> %v43 to <8 x i32>
  %v45 = shl <8 x i32> %v44, splat (i32 16)
  %v46 = bitcast <8 x i32> %v45 to <8 x float>
  %v47 = getelementptr i16, ptr %v32, i64 24
  %v48 = load <8 x i16>, ptr %v47, align 2
  %v49 = zext <8 x i16> %v48 to <8 x i32>
  %v50 = shl <8 x i32> %v49, splat (i32 16)
  %v51 = bitcast <8 x i32> %v50 to <8 x float>
  %v52 = fmul <8 x float> %v16, %v36
  %v53 = fmul <8 x float> %v21, %v41
  %v54 = fmul <8 x float> %v26, %v46
  %v55 = fmul <8 x float> %v31, %v51
  %v56 = bitcast <8 x float> %v52 to <8 x i32>
  %v57 = lshr <8 x i32> %v56, splat (i32 16)
  %v58 = and <8 x i32> %v57, splat (i32 1)
  %v59 = add <8 x i32> %v56, splat (i32 32767)
  %v60 = add <8 x i32> %v59, %v58
  %v61 = and <8 x i32> %v60, splat (i32 -65536)
  %v62 = fcmp uno <8 x float> %v52, %v52
  %v63 = select <8 x i1> %v62, <8 x i32> %v56, <8 x i32> %v61
  %v64 = bitcast <8 x i32> %v63 to <8 x float>
  %v65 = bitcast <8 x float> %v53 to <8 x i32>
  %v66 = lshr <8 x i32> %v65, splat (i32 16)
  %v67 = and <8 x i32> %v66, splat (i32 1)
  %v68 = add <8 x i32> %v65, splat (i32 32767)
  %v69 = add <8 x i32> %v68, %v67
  %v70 = and <8 x i32> %v69, splat (i32 -65536)
  %v71 = fcmp uno <8 x float> %v53, %v53
  %v72 = select <8 x i1> %v71, <8 x i32> %v65, <8 x i32> %v70
  %v73 = bitcast <8 x i32> %v72 to <8 x float>
  %v74 = bitcast <8 x float> %v54 to <8 x i32>
  %v75 = lshr <8 x i32> %v74, splat (i32 16)
  %v76 = and <8 x i32> %v75, splat (i32 1)
  %v77 = add <8 x i32> %v74, splat (i32 32767)
  %v78 = add <8 x i32> %v77, %v76
  %v79 = and <8 x i32> %v78, splat (i32 -65536)
  %v80 = fcmp uno <8 x float> %v54, %v54
  %v81 = select <8 x i1> %v80, <8 x i32> %v74, <8 x i32> %v79
  %v82 = bitcast <8 x i32> %v81 to <8 x float>
  %v83 = bitcast <8 x float> %v55 to <8 x i32>
  %v84 = lshr <8 x i32> %v83, splat (i32 16)
  %v85 = and <8 x i32> %v84, splat (i32 1)
  %v86 = add <8 x i32> %v83, splat (i32 32767)
  %v87 = add <8 x i32> %v86, %v85
  %v88 = and <8 x i32> %v87, splat (i32 -65536)
  %v89 = fcmp uno <8 x float> %v55, %v55
  %v90 = select <8 x i1> %v89, <8 x i32> %v83, <8 x i32> %v88
  %v91 = bitcast <8 x i32> %v90 to <8 x float>
  %v92 = bitcast <8 x float> %v64 to <8 x i32>
  %v93 = lshr <8 x i32> %v92, splat (i32 16)
  %v94 = and <8 x i32> %v93, splat (i32 1)
  %v95 = add <8 x i32> %v92, splat (i32 32767)
  %v96 = add <8 x i32> %v95, %v94
  %v97 = lshr <8 x i32> %v96, splat (i32 16)
  %v98 = or <8 x i32> %v93, splat (i32 64)
  %v99 = fcmp uno <8 x float> %v64, %v64
  %v100 = select <8 x i1> %v99, <8 x i32> %v98, <8 x i32> %v97
  %v101 = trunc <8 x i32> %v100 to <8 x i16>
  %v102 = getelementptr i16, ptr %v5, i64 %v9
  store <8 x i16> %v101, ptr %v102, align 2
  %v103 = bitcast <8 x float> %v73 to <8 x i32>
  %v104 = lshr <8 x i32> %v103, splat (i32 16)
  %v105 = and <8 x i32> %v104, splat (i32 1)
  %v106 = add <8 x i32> %v103, splat (i32 32767)
  %v107 = add <8 x i32> %v106, %v105
  %v108 = lshr <8 x i32> %v107, splat (i32 16)
  %v109 = or <8 x i32> %v104, splat (i32 64)
  %v110 = fcmp uno <8 x float> %v73, %v73
  %v111 = select <8 x i1> %v110, <8 x i32> %v109, <8 x i32> %v108
  %v112 = trunc <8 x i32> %v111 to <8 x i16>
  %v113 = getelementptr i16, ptr %v102, i64 8
  store <8 x i16> %v112, ptr %v113, align 2
  %v114 = bitcast <8 x float> %v82 to <8 x i32>
  %v115 = lshr <8 x i32> %v114, splat (i32 16)
  %v116 = and <8 x i32> %v115, splat (i32 1)
  %v117 = add <8 x i32> %v114, splat (i32 32767)
  %v118 = add <8 x i32> %v117, %v116
  %v119 = lshr <8 x i32> %v118, splat (i32 16)
  %v120 = or <8 x i32> %v115, splat (i32 64)
  %v121 = fcmp uno <8 x float> %v82, %v82
  %v122 = select <8 x i1> %v121, <8 x i32> %v120, <8 x i32> %v119
  %v123 = trunc <8 x i32> %v122 to <8 x i16>
  %v124 = getelementptr i16, ptr %v102, i64 16
  store <8 x i16> %v123, ptr %v124, align 2
  %v125 = bitcast <8 x float> %v91 to <8 x i32>
  %v126 = lshr <8 x i32> %v125, splat (i32 16)
  %v127 = and <8 x i32> %v126, splat (i32 1)
  %v128 = add <8 x i32> %v125, splat (i32 32767)
  %v129 = add <8 x i32> %v128, %v127
  %v130 = lshr <8 x i32> %v129, splat (i32 16)
  %v131 = or <8 x i32> %v126, splat (i32 64)
  %v132 = fcmp uno <8 x float> %v91, %v91
  %v133 = select <8 x i1> %v132, <8 x i32> %v131, <8 x i32> %v130
  %v134 = trunc <8 x i32> %v133 to <8 x i16>
  %v135 = getelementptr i16, ptr %v102, i64 24
  store <8 x i16> %v134, ptr %v135, align 2
  br label %latch6
latch6:
  br label %head4
done7:
  br label %latch2
latch2:
  br label %head0
done3:
  ret void
}
!0 = !{i32 1}
