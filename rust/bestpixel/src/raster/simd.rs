//! A pixel loop goes in, the same loop compiled for this machine's vector unit runs: the one place where levels differ.
//!
//! A loop is written once, in safe and generic Rust, as a [`Kernel`] whose `run` is `#[inline(always)]`. Each level has a
//! shell with its `#[target_feature]`, into which the loop is inlined and there vectorised by the compiler. All levels
//! carry out the same operations in the same order, and Rust never fuses a multiplication with an addition by itself:
//! the pixels are the same on every level. On aarch64 NEON is part of the baseline, so the scalar level uses it.

#![expect(unsafe_code, reason = "a function with target features may only be called where detection has found them")]

use std::sync::OnceLock;

/// The environment variable that forces a level, for tests and measurements.
const VARIABLE: &str = "BESTPIXEL_SIMD";

/// A vector unit that this machine has. Only [`VectorLevel::all`] makes values other than [`VectorLevel::SCALAR`], from what the
/// processor reports: to hold one is the proof that its instructions may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorLevel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl VectorLevel {
    /// What the compiler may use everywhere.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// All levels of this machine, the widest last.
    pub fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "other machines have one level"))]
        let mut levels = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Self(Kind::Avx2));
            if has_avx512() {
                levels.push(Self(Kind::Avx512));
            }
        }
        levels
    }

    /// The level that is used: what `BESTPIXEL_SIMD` names if the machine has it, else the widest. Found out once.
    pub fn best() -> Self {
        static BEST: OnceLock<VectorLevel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let levels = Self::all();
            let forced = std::env::var(VARIABLE).ok();
            let named = levels.iter().find(|level| forced.as_deref() == Some(level.name()));
            named.or(levels.last()).copied().unwrap_or(Self::SCALAR)
        })
    }

    /// Its name, as `BESTPIXEL_SIMD` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// Runs a loop compiled for this level.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.run(),
            // SAFETY: a value of this kind is made by `all` alone, which has found avx2 and fma.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: a value of this kind is made by `all` alone, which has found all features of `avx512`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512(kernel) },
        }
    }
}

/// Whether the processor has all features of the shell `avx512`.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// A loop over pixels with its arguments.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;

    /// The loop. Has to be `#[inline(always)]`, as all it calls per pixel: only so is it compiled for the level.
    fn run(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scalar_level_is_always_there_and_names_differ() {
        let levels = VectorLevel::all();
        assert_eq!(levels[0], VectorLevel::SCALAR);
        assert!(levels.contains(&VectorLevel::best()));
        let names: std::collections::HashSet<_> = levels.iter().map(|level| level.name()).collect();
        assert_eq!(names.len(), levels.len());
    }
}
