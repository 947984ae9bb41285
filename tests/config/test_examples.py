"""The modules by which the built-in rules can be tried."""

from __future__ import annotations

from goproxy_mirror.config.rules import builtin_examples, builtin_mirrors
from goproxy_mirror.module.path import ModulePath


def test_every_builtin_rule_has_an_example() -> None:
    """Each is a module path that the rule matches, and there is no example of a rule that does not exist."""
    examples = builtin_examples()
    rules = {rule.pattern.text: rule for rule in builtin_mirrors()}
    assert examples.keys() == rules.keys()
    for text, path in examples.items():
        ModulePath.parse(path)
        assert rules[text].pattern.match(path) is not None


def test_examples_are_of_the_rule_that_counts() -> None:
    """No other built-in rule is more particular for the example."""
    for text, path in builtin_examples().items():
        fitting = [rule for rule in builtin_mirrors() if rule.pattern.match(path) is not None]
        best = max(fitting, key=lambda rule: rule.pattern.specificity)
        assert best.pattern.text == text
