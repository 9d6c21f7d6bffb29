//! Passwords that guessers try first.

/// Common passwords and words in them, in lower case and without digits and signs behind them.
const COMMON: &str = "
    abc abcd access admin administrator adobe aa abcabc amanda america andrea andrew angel angela anthony apache apple
    arsenal asdf asdfasdf asdfg asdfgh asdfghjkl ashley asshole austin azerty baby babygirl badboy banana bailey barcelona
    baseball basketball batman berlin bestfriend biteme blink blowfish bonjour boston brandon bulldog buster butterfly
    camaro carlos changeit changeme change charlie cheese chelsea chester chicken chocolate chris cisco claudia computer
    cookie corvette cowboy dakota dallas daniel danielle database debian default demo diamond donald dragon elastic
    elasticsearch eminem enter estrella fender ferrari finance flower football forever freedom fuckme fuckyou gandalf
    garfield george gfhjkm ginger god golf google guest hallo hannah harley heather hello hockey hola hottie hunter
    iceman iloveu iloveyou internet ireland jackson jasmine jennifer jessica jesus jordan jordan joshua justin killer
    kibana letmein letmein liverpool login logstash london love lovely loveme lovers madison maggie manager marina
    marlboro martin master matrix matthew mercedes merlin michael michelle mickey midnight minecraft monday money monkey
    monster mustang mypass mypassword mynoob naruto nicole ninja nirvana nothing oliver opensearch operator oracle orange
    pass passord passw passwd password passwort patrick peaches peanut pepper phoenix pokemon princess private public
    purple pussy qazwsx qazwsxedc qwaszx qwe qwer qwert qwerty qwertyu qwertyuiop qwertz rainbow ranger raspberry richard
    robert root samantha samsung scooter secret server service shadow shop silver simone slipknot snoopy soccer sophie
    spring spiderman starwars startrek steelers steven summer autumn fall winter sunday sunshine superman support system
    tennis test tester testing test thomas thunder tigger tinkle trustme trustno ubuntu unknown user vanessa victoria
    wachtwoord web welcome whatever william wizard wordpass yamaha yankees zaq zaqwsx zxcv zxcvb zxcvbn zxcvbnm
    motdepasse contrasena contrasenha senha parola haslo heslo salasana lozinka geheim hemligt segreto
";

/// Keys beside each other, in both directions.
const ROWS: [&str; 9] = [
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// Refuses a password that is empty, the user's own name, or so common that guessers try it first.
pub(super) fn judge(password: &str, user: &str) -> Result<(), String> {
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    if password.contains(char::is_control) {
        return Err("the password has a control character, which HTTP Basic does not allow".to_owned());
    }
    let lower = password.to_lowercase();
    if is_around(&lower, &user.to_lowercase()) {
        return Err("the password is the user's name".to_owned());
    }
    if is_common(&lower) || is_common(&without_leet(&lower)) {
        return Err("the password is one of those that guessers try first".to_owned());
    }
    Ok(())
}

/// True if the password is the name, or the name with a few digits or signs behind it.
fn is_around(password: &str, name: &str) -> bool {
    !name.is_empty() && (password == name || stem(password) == name)
}

fn is_common(password: &str) -> bool {
    let stem = stem(password);
    let mut characters = password.chars();
    let first = characters.next();
    let is_repeated = characters.all(|character| Some(character) == first);
    let is_short = password.chars().count() < 4;
    is_repeated
        || is_short
        || COMMON.split_whitespace().any(|word| word == stem || word == password)
        || is_row(password)
}

/// Without up to four digits or signs at its end: `summer2026!` is hardly better than `summer`.
fn stem(password: &str) -> &str {
    let mut rest = password;
    for _ in 0..5 {
        match rest.strip_suffix(|last: char| !last.is_alphabetic()) {
            Some(shorter) if !shorter.is_empty() => rest = shorter,
            _ => break,
        }
    }
    rest
}

/// True for keys beside each other, up to ten times the same row.
fn is_row(password: &str) -> bool {
    ROWS.iter().any(|row| {
        let back: String = row.chars().rev().collect();
        [row.repeat(10), back.repeat(10)].iter().any(|keys| keys.contains(password))
    })
}

/// With the letters that digits and signs stand for.
fn without_leet(password: &str) -> String {
    let letter = |character| match character {
        '@' | '4' => 'a',
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '$' | '5' => 's',
        '7' => 't',
        other => other,
    };
    let length = stem(password).len();
    password[..length].chars().map(letter).collect::<String>() + &password[length..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guessers_try_first_is_refused() {
        for password in [
            "",
            "a",
            "aaaaaaaa",
            "123456",
            "1234567890",
            "987654321",
            "0000",
            "password",
            "Password1",
            "P@ssw0rd",
            "pa$$word",
            "Summer2026!",
            "qwerty",
            "qwerty123",
            "1q2w3e4r",
            "1qaz2wsx",
            "zxcvbnm",
            "letmein",
            "letm3in!",
            "iloveyou",
            "changeme",
            "elastic",
            "Alice",
            "alice2026",
            "alice!",
            "tab\tbed",
        ] {
            assert!(judge(password, "alice").is_err(), "{password}");
        }
    }

    #[test]
    fn others_are_not() {
        for password in [
            "Tr0ub4dor&3",
            "correct horse battery staple",
            "alice in wonderland",
            "summer in the city",
            "kM3xV9",
            "é€漢字かな",
        ] {
            assert_eq!(judge(password, "alice"), Ok(()), "{password}");
        }
        assert_eq!(judge("password-of-97416302", ""), Ok(()));
    }

    #[test]
    fn the_list_has_what_is_compared_with_it() {
        for word in COMMON.split_whitespace() {
            assert!(judge(word, "").is_err(), "{word}");
            assert_eq!((stem(word), word.to_lowercase().as_str()), (word, word));
        }
    }
}
