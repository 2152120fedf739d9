from algo_panda.store.templates import TEMPLATES


def test_there_is_one_template_for_each_built_in_type_in_the_order_of_names() -> None:
    types = [template.strategy_type for template in TEMPLATES]
    assert types == ["hybrid_ml_rsi_filter", "ml_momentum", "rules_rsi"]


def test_a_template_gives_the_same_id_whatever_it_is_configured_with() -> None:
    once = [t.configured((1,), ("paper",)) for t in TEMPLATES]
    again = [t.configured((2, 3), ()) for t in TEMPLATES]
    assert [c.id for c in once] == [c.id for c in again]
    assert len({c.id for c in once}) == len(TEMPLATES)


def test_ids_never_change_from_release_to_release() -> None:
    ids = {t.strategy_type: str(t.configured((1,), ()).id) for t in TEMPLATES}
    assert ids == {
        "hybrid_ml_rsi_filter": "ade35982-c0b6-5be3-be47-80668adfe4f5",
        "ml_momentum": "33cf3ae3-5ecc-5ea9-b57f-603d0690266e",
        "rules_rsi": "9c1c1978-81d6-5b34-bc3c-056e89d9f29b",
    }
