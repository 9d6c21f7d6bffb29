//! Leaves nothing of a secret on the stack and in registers.

use std::hint::black_box;

/// Overwrites `BYTES` of the stack below the caller, where functions that have returned may have left copies that they
/// could not wipe, such as a moved value. Then overwrites the vector registers.
///
/// The functions that used the secret must have been called from the same function as this one, and not inlined into
/// it.
#[inline(never)]
pub(crate) fn wipe_stack<const BYTES: usize>() {
    let mut below = [0u8; BYTES];
    // Keeps the compiler from noticing that nobody reads the zeros.
    black_box(&mut below);
    wipe_registers();
}

/// Overwrites the vector registers, which copying and hashing leave full. They would stay so for a while, and could
/// reach memory meanwhile: lazy binding of a function saves them all on the stack, and so does a signal.
pub fn wipe_registers() {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: caller-saved registers, and instructions whose support is checked first.
    unsafe {
        if std::arch::is_x86_feature_detected!("avx512f") {
            std::arch::asm!(
                "vzeroall",
                "vpxord zmm16, zmm16, zmm16",
                "vpxord zmm17, zmm17, zmm17",
                "vpxord zmm18, zmm18, zmm18",
                "vpxord zmm19, zmm19, zmm19",
                "vpxord zmm20, zmm20, zmm20",
                "vpxord zmm21, zmm21, zmm21",
                "vpxord zmm22, zmm22, zmm22",
                "vpxord zmm23, zmm23, zmm23",
                "vpxord zmm24, zmm24, zmm24",
                "vpxord zmm25, zmm25, zmm25",
                "vpxord zmm26, zmm26, zmm26",
                "vpxord zmm27, zmm27, zmm27",
                "vpxord zmm28, zmm28, zmm28",
                "vpxord zmm29, zmm29, zmm29",
                "vpxord zmm30, zmm30, zmm30",
                "vpxord zmm31, zmm31, zmm31",
                clobber_abi("C"),
                options(nomem, nostack)
            );
        } else if std::arch::is_x86_feature_detected!("avx") {
            std::arch::asm!("vzeroall", clobber_abi("C"), options(nomem, nostack));
        } else {
            std::arch::asm!(
                "xorps xmm0, xmm0",
                "xorps xmm1, xmm1",
                "xorps xmm2, xmm2",
                "xorps xmm3, xmm3",
                "xorps xmm4, xmm4",
                "xorps xmm5, xmm5",
                "xorps xmm6, xmm6",
                "xorps xmm7, xmm7",
                "xorps xmm8, xmm8",
                "xorps xmm9, xmm9",
                "xorps xmm10, xmm10",
                "xorps xmm11, xmm11",
                "xorps xmm12, xmm12",
                "xorps xmm13, xmm13",
                "xorps xmm14, xmm14",
                "xorps xmm15, xmm15",
                clobber_abi("C"),
                options(nomem, nostack)
            );
        }
    }
}

#[cfg(all(test, target_arch = "x86_64", not(any(loom, miri))))]
mod tests {
    use super::*;

    /// The first 16 bytes of each of 32 registers, or fewer if the processor has fewer.
    fn registers() -> [u8; 512] {
        let mut seen = [0u8; 512];
        // SAFETY: stores into as many bytes as there are; the upper registers only if the processor has them.
        unsafe {
            std::arch::asm!(
                "movups [{0}], xmm0",
                "movups [{0} + 16], xmm1",
                "movups [{0} + 32], xmm2",
                "movups [{0} + 48], xmm3",
                "movups [{0} + 64], xmm4",
                "movups [{0} + 80], xmm5",
                "movups [{0} + 96], xmm6",
                "movups [{0} + 112], xmm7",
                "movups [{0} + 128], xmm8",
                "movups [{0} + 144], xmm9",
                "movups [{0} + 160], xmm10",
                "movups [{0} + 176], xmm11",
                "movups [{0} + 192], xmm12",
                "movups [{0} + 208], xmm13",
                "movups [{0} + 224], xmm14",
                "movups [{0} + 240], xmm15",
                in(reg) &mut seen,
                options(nostack)
            );
            if std::arch::is_x86_feature_detected!("avx512vl") {
                std::arch::asm!(
                    "vmovups [{0} + 256], xmm16",
                    "vmovups [{0} + 272], xmm17",
                    "vmovups [{0} + 288], xmm18",
                    "vmovups [{0} + 304], xmm19",
                    in(reg) &mut seen,
                    options(nostack)
                );
            }
        }
        seen
    }

    /// Copies 64 bytes like the C library's memcpy, which leaves them in registers.
    #[inline(never)]
    fn copies_a_secret(secret: &[u8; 64]) {
        let mut copy = [0u8; 64];
        // SAFETY: 64 bytes each.
        unsafe { libc::memcpy((&raw mut copy).cast(), secret.as_ptr().cast(), black_box(64)) };
        black_box(&mut copy);
    }

    #[test]
    fn no_vector_register_holds_bytes_copied_before() {
        let secret: [u8; 64] = std::array::from_fn(|index| 0x80 | index as u8);
        let holds_some = |seen: [u8; 512]| seen.windows(8).any(|window| secret.windows(8).any(|part| part == window));
        copies_a_secret(&secret);
        let before = registers();
        copies_a_secret(&secret);
        wipe_stack::<1024>();
        let after = registers();
        assert!(holds_some(before), "the test sees what memcpy leaves");
        assert!(!holds_some(after));
    }
}
