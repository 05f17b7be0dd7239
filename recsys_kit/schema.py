"""The names of tables, columns and parts of a split, and the rating scales, in one place.

| table | a row is | key |
|---|---|---|
| interactions | an event: a user viewed, bought or rated an item | none |
| items | an item of the catalogue, with or without interactions | item_id |
| users | a user | user_id |
| reviews | a review, with or without an interaction | review_id |

Ids are text, times are in UTC. Interactions and reviews may have further columns that begin with `CONTEXT_PREFIX`.
"""

TABLES = ("interactions", "items", "users", "reviews")
KEYS = {"items": "item_id", "users": "user_id", "reviews": "review_id"}
REQUIRED = {
    "interactions": ("user_id", "item_id"), "items": ("item_id",), "users": ("user_id",),
    "reviews": ("review_id", "text"),
}  # fmt: skip
"""Columns that a table must have; interactions also need `timestamp` or `position`."""
ITEM_COLUMNS = ("title", "category", "brand", "description", "attributes", "image")
"""Descriptions of an item, in the items table or beside its interactions."""
COLUMNS = {
    "interactions": (
        "user_id", "item_id", "timestamp", "position", "rating", "event", "session_id", "quantity", "price",
        "review_id", *ITEM_COLUMNS, "text", "label",
    ),
    "items": ("item_id", *ITEM_COLUMNS, "price", "video", "created_at"),
    "users": ("user_id", "joined_at"),
    "reviews": (
        "text", "label", "rating", "review_id", "user_id", "item_id", "timestamp", "title", "category", "brand",
    ),
}  # fmt: skip
"""Columns that a file of each table may have; texts and item columns beside interactions go to the other tables."""

TIME_COLUMNS = ("timestamp", "created_at", "joined_at")
NUMBER_COLUMNS = ("rating", "price", "quantity")
TEXT_COLUMNS = ("title", "description", "category", "brand", "text")
CONTEXT_PREFIX = "ctx_"
"""Columns of interactions that say where or how, such as ctx_device."""

RATING_SCALE = (1.0, 5.0)
HALF_STAR_SCALE = (0.5, 5.0)
"""Stars in half steps, kept as they are."""

UNDOING_EVENTS = "remove|refund|cancel|return|void|failed|unlike|dislike|unfollow|unsubscribe|storno|退|取消"
"""Parts of the names of events that undo others; they are no successes unless they are asked for."""

PARTS = ("train", "valid", "test")
"""Training, validation and test set."""

REPORT_COLUMNS = ("table", "rule", "action", "rows", "example")
LOST = ("quarantined", "deduplicated", "dropped")
"""What happens to a row that is not kept; dropped are only flagged rows, and only if this is asked for."""
ACTIONS = ("kept", *LOST, "repaired", "cautioned", "noted")
QUARANTINE_COLUMNS = ("table", "row", "column", "rule", "value")
