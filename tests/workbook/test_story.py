from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.workbook.story import choose_product, choose_shopper
from tests.data.test_splitting import events


def test_the_shopper_has_a_history_and_a_test_set_and_the_product_is_in_the_history():
    shop = load_dataset("toyshop", seed=7)
    split = split_interactions(shop.interactions)
    shopper = choose_shopper(split)
    history = split.train.loc[split.train["user_id"] == shopper, "item_id"]
    assert shopper in set(split.ground_truth("test")["user_id"])
    assert history.nunique() >= 5
    assert choose_product(split, shop.items, shopper) in set(history)


def test_without_a_warm_user_in_the_test_set_the_longest_history_is_chosen():
    split = split_interactions(events("a:x b:x b:y a:z b:w c:x c:y c:z d:x e:y"))
    assert set(split.ground_truth("test")["user_id"]) == {"e"}
    assert choose_shopper(split) in {"b", "c"}
