//! The families of password hashes.

/// A family of password hashes, and what stands where a hash should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$2x$`: bcrypt as a faulty version computed it.
    BcryptFaulty,
    /// `$y$`.
    Yescrypt,
    /// `$gy$`: yescrypt inside GOST R 34.11-2012.
    GostYescrypt,
    /// `$7$`.
    Scrypt,
    /// `$6$`.
    Sha512Crypt,
    /// `$5$`.
    Sha256Crypt,
    /// `$sha1$`.
    Sha1Crypt,
    /// `$md5`: of SunOS.
    SunMd5,
    /// `$apr1$`: what `htpasswd` makes unless told otherwise.
    Apr1,
    /// `$1$`.
    Md5Crypt,
    /// `{SHA}`.
    Sha1,
    /// `$3$`: of Windows NT.
    Nt,
    /// `_`: extended DES.
    ExtendedDes,
    /// Thirteen characters without a prefix.
    Des,
    /// Begins like a hash (`$…`, `{…}`), of no family that httpd accepts.
    Unknown,
    /// Nothing that is a hash: as likely as not the password itself.
    Plain,
    /// No text at all.
    Empty,
}

impl Family {
    /// How many there are.
    pub(crate) const COUNT: usize = Family::Empty as usize + 1;

    /// Those that are counted apart, in the order in which they are shown. [`Family::counted_as`] tells how others count.
    pub const COUNTED: [Family; 10] = [
        Family::Bcrypt,
        Family::Apr1,
        Family::Sha1,
        Family::Md5Crypt,
        Family::Sha256Crypt,
        Family::Sha512Crypt,
        Family::Yescrypt,
        Family::Scrypt,
        Family::Des,
        Family::Unknown,
    ];

    /// The one of [`Family::COUNTED`] that a hash of this family is counted as.
    pub const fn counted_as(self) -> Family {
        match self {
            Family::BcryptFaulty => Family::Bcrypt,
            Family::GostYescrypt => Family::Yescrypt,
            Family::ExtendedDes => Family::Des,
            Family::Sha1Crypt | Family::SunMd5 | Family::Nt | Family::Plain | Family::Empty => Family::Unknown,
            counted => counted,
        }
    }

    /// What it is counted under in metrics: of the one that it is counted as, in lower case and without signs.
    pub const fn label(self) -> &'static str {
        match self.counted_as() {
            Family::Sha1 => "sha1",
            Family::Des => "des",
            Family::Unknown => "other",
            counted => counted.name(),
        }
    }

    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Bcrypt => "bcrypt",
            Family::BcryptFaulty => "bcrypt 2x",
            Family::Yescrypt => "yescrypt",
            Family::GostYescrypt => "gost-yescrypt",
            Family::Scrypt => "scrypt",
            Family::Sha512Crypt => "sha512crypt",
            Family::Sha256Crypt => "sha256crypt",
            Family::Sha1Crypt => "sha1crypt",
            Family::SunMd5 => "SunMD5",
            Family::Apr1 => "apr1",
            Family::Md5Crypt => "md5crypt",
            Family::Sha1 => "{SHA}",
            Family::Nt => "NT hash",
            Family::ExtendedDes => "extended DES",
            Family::Des => "DES",
            Family::Unknown => "unknown",
            Family::Plain => "plain text",
            Family::Empty => "none",
        }
    }
}
