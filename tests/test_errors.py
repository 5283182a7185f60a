from curate.errors import did_you_mean


def test_nearest_name_is_asked_for():
    assert did_you_mean("blurr", ("noise", "blur", "flat")) == "Did you mean 'blur'?"


def test_nothing_is_asked_where_nothing_is_near():
    assert did_you_mean("blur", ("noise", "style")) == ""


def test_cutoff_tells_what_is_near():
    assert did_you_mean("ab", ("abcdef",), cutoff=0.5) == "Did you mean 'abcdef'?"
    assert did_you_mean("ab", ("abcdef",)) == ""
