use std::time::Duration;

use nestling_domain::fly::{Outcome, Refusal, judge};

fn means(code: u16, error: &str, status: &str) -> Outcome {
    judge(code, (error, status), None)
}

#[test]
fn what_fly_says_counts_more_than_its_code() {
    // As seen in production, one sentence each.
    for (code, error, status) in [
        (
            412,
            "insufficient resources available to fulfill request",
            "",
        ),
        (
            409,
            "insufficient memory available: could not reserve resource",
            "",
        ),
        (400, "no capacity for volume in region", ""),
        (503, "try again", "insufficient_capacity"),
    ] {
        let Outcome::Refused(Refusal::NoCapacity(said)) = means(code, error, status) else {
            panic!("{code} {error}");
        };
        assert_eq!(said, error);
    }
    let quota = means(403, "over the allowed quota", "");
    assert!(matches!(quota, Outcome::Refused(Refusal::Quota(_))));
    assert_eq!(
        means(422, "Name has already been taken", ""),
        Outcome::Refused(Refusal::Taken)
    );
    assert_eq!(
        means(422, "", "name_taken"),
        Outcome::Refused(Refusal::Taken)
    );
    assert_eq!(
        means(
            409,
            "already_exists: unique machine name violation, machine ID 148e exists",
            ""
        ),
        Outcome::Refused(Refusal::Taken)
    );
    let leased = means(
        409,
        "failed to acquire lease: machine is already locked",
        "",
    );
    assert_eq!(leased, Outcome::Refused(Refusal::Leased));
    // No ground to believe that the machine is gone.
    assert_eq!(
        means(404, "lease not found", ""),
        Outcome::Refused(Refusal::Leased)
    );
    let image = means(400, "failed to get manifest for image", "");
    assert!(matches!(image, Outcome::Refused(Refusal::Invalid(_))));
    let token = means(401, "Authenticate: token validation error", "");
    assert!(matches!(token, Outcome::Refused(Refusal::NotAllowed(_))));
}

#[test]
fn what_may_have_been_done_is_unknown() {
    for code in [100, 302, 408, 409, 412, 500, 502, 503, 504, 520] {
        assert!(
            matches!(means(code, "?", ""), Outcome::Unknown(_)),
            "{code}"
        );
    }
}

#[test]
fn who_asks_too_often_waits_and_not_for_ever() {
    assert_eq!(means(429, "", ""), Outcome::Later(Duration::from_secs(1)));
    let asked = |secs| judge(429, ("", ""), Some(Duration::from_secs(secs)));
    assert_eq!(asked(7), Outcome::Later(Duration::from_secs(7)));
    assert_eq!(asked(86_400), Outcome::Later(Duration::from_mins(1)));
}

#[test]
fn words_of_fly_are_kept_short_and_plain() {
    let long = format!("no \u{1b}[31mcapacity{}", "x".repeat(5_000));
    let Outcome::Refused(Refusal::Invalid(said)) = means(400, &long, "") else {
        panic!("refused");
    };
    assert!(said.chars().count() <= 300 && !said.contains('\u{1b}'));
}
