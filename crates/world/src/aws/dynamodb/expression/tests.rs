//! What is read, and what is refused.

use serde_json::json;

use super::*;

fn words() -> Words {
    let names = json!({"#pk": "pk", "#n": "n", "#s": "s"});
    let values = json!({":one": {"N": "1"}, ":two": {"N": "2"}, ":a": {"S": "a"}});
    Words::read(Some(&names), Some(&values)).unwrap()
}

fn item() -> Item {
    Item::from([
        ("n".to_owned(), Value::N(1)),
        ("s".to_owned(), Value::S("abc".to_owned())),
    ])
}

#[test]
fn conditions_are_read_with_the_usual_precedence() {
    let holds = |text: &str| Condition::read(text, &words()).unwrap().holds(&item());
    assert!(holds(
        "attribute_not_exists(#pk) AND #n = :two OR #n = :one"
    ));
    assert!(!holds(
        "attribute_not_exists(#pk) AND (#n = :two OR #n > :one)"
    ));
    assert!(holds("NOT #n = :two AND begins_with(#s, :a)"));
    assert!(holds("#n BETWEEN :one AND :two"));
    assert!(!holds("#n <> :one"));
    assert!(!holds("#s < :one"), "two types never compare");
    assert!(!holds("#pk = :one"), "what is not there equals nothing");
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "",
        "#n",
        "#n = ",
        "n = :one",
        "#n = :one AND",
        "(#n = :one",
        "#n = :three",
        "#x = :one",
        "#n == :one",
        "attribute_exists(#n",
        "#n = :one #s",
        "size(#s) > :one",
    ] {
        assert!(
            Condition::read(text, &words()).is_err(),
            "{text:?} was read"
        );
    }
}

#[test]
fn an_update_means_the_item_as_it_was() {
    let update = "SET #s = :a, #pk = if_not_exists(#pk, :two) REMOVE #x ADD #n :two";
    let names = json!({"#pk": "pk", "#n": "n", "#s": "s", "#x": "x"});
    let values = json!({":two": {"N": "2"}, ":a": {"S": "a"}});
    let words = Words::read(Some(&names), Some(&values)).unwrap();
    let after = Update::read(update, &words)
        .unwrap()
        .apply(&item())
        .unwrap();
    assert_eq!(
        after,
        Item::from([
            ("n".to_owned(), Value::N(3)),
            ("pk".to_owned(), Value::N(2)),
            ("s".to_owned(), Value::S("a".to_owned())),
        ])
    );
    words.all_used().unwrap();
    assert!(Update::read("SET #s = :a, #s = :two", &words).is_err());
    assert!(Update::read("SET #s = :a SET #n = :two", &words).is_err());
}

#[test]
fn names_and_values_that_nothing_uses_are_refused() {
    let words = words();
    Condition::read("#n = :one", &words).unwrap();
    assert!(words.all_used().is_err());
}
