//! Cases from apimachinery's `labels` package (`selector.go`, the grammar in the comment of `Parse`).

use super::*;
use crate::model::samples::labels;

#[test]
fn what_holds_and_what_does_not() {
    for (selector, yes, no) in [
        ("", &["", "a=b"][..], &[][..]),
        ("a=b", &["a=b", "a=b,c=d"], &["", "a=c", "A=b"]),
        ("a==b", &["a=b"], &["a=c"]),
        ("a = b", &["a=b"], &["a=c"]),
        ("a!=b", &["a=c", "", "x=b"], &["a=b"]),
        ("a in (x,y)", &["a=x", "a=y"], &["a=z", ""]),
        ("a in(x, y )", &["a=x", "a=y"], &["a=z", ""]),
        ("a notin (x)", &["a=y", ""], &["a=x"]),
        ("a", &["a=1", "a="], &["b=1"]),
        ("!a", &["b=1", ""], &["a=1"]),
        ("a=b,c!=d", &["a=b", "a=b,c=e"], &["a=b,c=d", "c=e"]),
        ("x in (foo,,baz),y,z notin ()", &["x=foo,y=1,z=2", "x=,y=,z=a"], &["x=foo,z=2", "x=foo,y=1,z="]),
        ("a=", &["a="], &["a=b", ""]),
        ("a=,b", &["a=,b=1"], &["a=x,b=1"]),
        ("in in (in,notin)", &["in=in", "in=notin"], &["in=x"]),
        ("app.kubernetes.io/name=web", &["app.kubernetes.io/name=web"], &["name=web"]),
        ("n>5", &["n=6"], &["n=5", "n=x", ""]),
        ("n<5", &["n=4", "n=-1"], &["n=5", "n=x", ""]),
    ] {
        let parsed = Selector::parse(selector).unwrap_or_else(|e| panic!("{selector}: {e}"));
        for text in yes {
            assert!(parsed.matches(&labels(text)), "{selector} should select {text:?}");
        }
        for text in no {
            assert!(!parsed.matches(&labels(text)), "{selector} should not select {text:?}");
        }
    }
}

#[test]
fn the_canonical_form_means_the_same() {
    for (text, canonical) in [
        ("a == b , c notin ( y , x )", "a=b,c notin (x,y)"),
        ("a in (x)", "a=x"),
        ("!a,b,n > 3", "!a,b,n>3"),
        ("z!=1", "z!=1"),
    ] {
        let parsed = Selector::parse(text).unwrap();
        assert_eq!(parsed.to_string(), canonical);
        assert_eq!(Selector::parse(canonical).unwrap(), parsed);
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, at, incomplete, message) in [
        ("a b", 2, false, "found `b` where one of = == != in notin > < should be"),
        ("=b", 0, false, "found `=` where a label key should be"),
        ("a=b,", 4, true, "ends where a label key should be"),
        ("a=b c=d", 4, false, "found `c` where a comma or the end should be"),
        ("a in", 4, true, "ends where an opening parenthesis should be"),
        ("a in x", 5, false, "found `x` where an opening parenthesis should be"),
        ("a in (x", 7, true, "ends where a comma or a closing parenthesis should be"),
        ("a in (x y)", 8, false, "found `y` where a comma or a closing parenthesis should be"),
        ("a==(x)", 3, false, "found `(` where a label value should be"),
        ("a=b=c", 3, false, "found `=` where a comma or the end should be"),
        ("!", 1, true, "ends where a label key should be"),
        ("!a=b", 2, false, "found `=` where a comma or the end should be"),
        ("n>x", 2, false, "`x` is no whole number"),
        ("n>", 2, true, "ends where a number should be"),
        ("a/b/c=d", 0, false, "`a/b/c` is no label key: more than one slash"),
        (
            "A_b/c=d",
            0,
            false,
            "`A_b/c` is no label key: what is before the slash has to be a DNS name in lower case",
        ),
        (
            "a=b-",
            2,
            true,
            "`b-` is no label value: letters, digits, - _ . only, and a letter or digit at both ends",
        ),
        (
            "a=ü",
            2,
            false,
            "`ü` is no label value: letters, digits, - _ . only, and a letter or digit at both ends",
        ),
    ] {
        let error = Selector::parse(text).unwrap_err();
        assert_eq!((error.at, error.incomplete, error.message.as_str()), (at, incomplete, message), "{text}");
    }
    assert!(Selector::parse(&"a".repeat(64)).is_err());
    assert!(Selector::parse(&format!("a={}", "b".repeat(64))).is_err());
    assert!(Selector::parse(&format!("{}=b", "a".repeat(63))).is_ok());
}
