"""The words of the built-in shop: names and descriptions of its products, and sentences of its reviews.

A style or an opinion has many words. Counting learns the words of the training set; a language model may know others.
"""

# Each category is a shelf of six kinds of product, each with two nouns. A kind is complemented by the next one of its
# shelf, the last by the first: users who chose a teapot soon look for cups.
SHELVES: dict[str, list[tuple[str, ...]]] = {
    "Tea & Coffee": [
        ("teapot", "tea kettle"), ("set of tea cups", "teacup pair"), ("milk jug", "creamer"),
        ("sugar bowl", "sugar pot"), ("tea caddy", "tea tin"), ("coffee dripper", "pour-over cone"),
    ],
    "Kitchen": [
        ("chopping board", "cutting board"), ("kitchen knife", "paring knife"), ("apron", "pinafore"),
        ("mixing bowl", "batter bowl"), ("rolling pin", "pastry roller"), ("spice rack", "spice shelf"),
    ],
    "Bath": [
        ("soap dish", "soap tray"), ("hand soap", "soap bar"), ("bath towel", "bath sheet"),
        ("bath mat", "shower mat"), ("laundry basket", "hamper"), ("toothbrush cup", "tumbler"),
    ],
    "Bedroom": [
        ("duvet cover", "quilt cover"), ("pillowcase", "pillow sham"), ("wool throw", "blanket"),
        ("bedside table", "nightstand"), ("alarm clock", "bedside clock"), ("dressing gown", "robe"),
    ],
    "Candles & Lamps": [
        ("candle", "scented candle"), ("candle holder", "candlestick"), ("matchbox", "match tin"),
        ("table lamp", "desk lamp"), ("lampshade", "lamp shade"), ("lantern", "storm light"),
    ],
    "Desk & Paper": [
        ("notebook", "journal"), ("fountain pen", "ink pen"), ("ink bottle", "bottled ink"),
        ("pencil case", "pen roll"), ("letter tray", "paper tray"), ("wall calendar", "year planner"),
    ],
    "Garden": [
        ("watering can", "plant sprinkler"), ("plant pot", "planter"), ("seed box", "seed collection"),
        ("hand trowel", "small spade"), ("pair of gardening gloves", "pair of work gloves"),
        ("bird feeder", "bird table"),
    ],
    "Games & Toys": [
        ("wooden puzzle", "jigsaw"), ("board game", "family game"), ("card deck", "pack of playing cards"),
        ("spinning top", "humming top"), ("box of building blocks", "set of stacking bricks"),
        ("hand puppet", "glove puppet"),
    ],
    "Travel": [
        ("weekend bag", "holdall"), ("wash bag", "toiletry pouch"), ("luggage tag", "bag tag"),
        ("passport wallet", "document holder"), ("water bottle", "drinking flask"),
        ("travel pillow", "neck cushion"),
    ],
    "Music Corner": [
        ("ukulele", "small guitar"), ("string set", "pack of spare strings"), ("music stand", "score stand"),
        ("metronome", "tempo keeper"), ("harmonica", "mouth organ"), ("song book", "sheet music album"),
    ],
}  # fmt: skip

# Words for a title and phrases for a description, by style. No two styles share a word of a title.
STYLES: dict[str, tuple[list[str], list[str]]] = {
    "rustic": (
        ["rustic", "farmhouse", "country", "weathered", "rough-hewn", "homespun", "cottage", "barn"],
        [
            "shaped by hand from reclaimed oak", "with the honest marks of the tool left in",
            "made the way it was done on the farm", "in raw linen and undyed wool",
            "sturdy, earthy and a little uneven", "as if it had hung in a village kitchen for years",
            "finished with beeswax by the fireside", "in unglazed clay the colour of a ploughed field",
        ],
    ),
    "minimalist": (
        ["minimalist", "plain", "pure", "slim", "understated", "clean-lined", "simple", "bare"],
        [
            "reduced to what is needed and nothing more", "with straight edges and no ornament",
            "in matt white and pale grey", "a quiet shape that leaves room for thought",
            "designed around a single line", "free of clutter, easy to stack away",
            "with hidden joints and a flush surface", "for people who own few things and choose them slowly",
        ],
    ),
    "playful": (
        ["playful", "cheerful", "funny", "whimsical", "zany", "jolly", "bouncy", "giggling"],
        [
            "with a smiling fox on every side", "in candy stripes and bright polka dots",
            "that makes grown-ups laugh and children squeal", "painted with cartoon clouds and rockets",
            "that comes with googly eyes", "that turns any grey Monday into a birthday",
            "in the colours of a box of crayons", "that hides a silly joke where you least expect it",
        ],
    ),
    "premium": (
        ["premium", "luxury", "exclusive", "refined", "opulent", "deluxe", "gilded", "stately"],
        [
            "trimmed with brass and full-grain leather", "in a numbered edition, delivered in a silk-lined case",
            "polished to a deep shine by a master's hand", "for those who accept only the finest",
            "with marble inlay and a velvet base", "the kind of gift that is remembered",
            "plated in rose gold", "an heirloom from the first day",
        ],
    ),
    "vintage": (
        ["vintage", "retro", "nostalgic", "antique", "old-time", "bygone", "classic", "heritage"],
        [
            "after a pattern from the nineteen-fifties", "like the one on grandmother's sideboard",
            "in faded pastel enamel", "with lettering from a long closed print shop",
            "that remembers steam trains and dance halls", "a flea-market find without the scratches",
            "in sepia and bottle green", "that revives a shape our grandparents knew",
        ],
    ),
    "botanical": (
        ["botanical", "leafy", "floral", "meadow", "blossoming", "ferny", "wildflower", "verdant"],
        [
            "printed with pressed ferns and ivy", "that brings a walk in the woods indoors",
            "dyed with walnut, madder and woad", "that smells faintly of cedar and moss",
            "with poppies climbing along the rim", "drawn from an old herbarium",
            "in the greens of early spring", "plastic-free, down to the seed-paper label",
        ],
    ),
}  # fmt: skip

BRANDS = (
    "Fernby & Daughters", "Quillhouse", "Marlowe Lane", "Tuppence", "Old Ferry Works", "Nordlys Atelier",
    "Bramblewick",
    "Kettle & Crane", "Hobbin", "Plumstone", "Orchard Nine", "Lintott", "Saltmarsh Goods", "Pennywhistle",
    "Greyfinch",
    "Tallow & Thread",
)  # fmt: skip
COLOURS = ("blue", "green", "red", "grey", "ochre", "white", "black", "teal", "rose", "sand")
OPENINGS = (
    "A {noun}, {phrase}.",
    "Our {brand} {noun}, {phrase}.",
    "A {colour} {noun}, {phrase}.",
    "Meet this {noun}, {phrase}.",
)
FACTS = (
    "Wipe clean with a damp cloth.", "Packed in recycled card.", "Ships in two days.", "Made in small batches.",
    "Fits most homes.", "Comes with a two-year guarantee.", "Sizes may vary slightly.",
    "Also a favourite for housewarmings.",
)  # fmt: skip

# Sentences of reviews by satisfaction, from 1 to 5. {noun} is the product.
PRAISE: dict[int, list[str]] = {
    1: [
        "Broke on the second day.", "Complete waste of money.", "I sent it straight back.",
        "The worst {noun} I have owned.",
        "Nothing like the picture.", "It arrived in pieces and nobody answered my messages.", "Never again.",
        "Falls apart if you look at it.", "I want a refund.", "Useless, I am afraid, and ugly too.",
    ],
    2: [
        "Not what I had hoped for.", "Feels flimsy for the price.", "The finish is poor.",
        "I would not buy this {noun} again.",
        "It works, but barely.", "Smaller than described and rather dull.", "Disappointing after so much waiting.",
        "The colour came off on my hands.", "Hardly worth the postage.", "I expected better from this shop.",
    ],
    3: [
        "It does the job.", "An ordinary {noun}, no more and no less.", "Fine, I suppose.",
        "Some things I like, some I do not.",
        "Neither good nor bad.", "Decent, though I have seen nicer.", "All right for the money.", "It is okay.",
        "Good idea, average execution.", "Acceptable, with a few rough spots.",
    ],
    4: [
        "Nice {noun}, I use it often.", "Good value.", "Well made and pleasant to hold.",
        "Pretty, and not bad at all for the price.",
        "I am happy with it.", "Solid work with a small flaw or two.",
        "Does what it should and looks good doing it.",
        "Would buy again.", "A pleasing thing, if not a wonder.", "My friend liked it too.",
    ],
    5: [
        "Absolutely love it.", "The best {noun} I have ever had.", "Perfect in every way.",
        "Even lovelier than in the picture.",
        "I could not be happier.", "Worth every penny and more.", "I cannot fault it.",
        "Everyone asks me where I found it.",
        "A joy each morning.", "Bought a second one at once.",
    ],
}  # fmt: skip
BUTS = {
    "up": [
        "Still, the delivery was quick.", "At least it looks nice.", "The box was pretty, though.",
        "I do like the colour, however.",
    ],
    "down": [
        "The lid sticks a little, though.", "Only the delivery was slow.", "A pity about the smell.",
        "I wish it were bigger.",
    ],
}  # fmt: skip
ON_STYLE = (
    "I like its {word} look.", "That {word} style is just my taste.",
    "The {word} look goes well with my other things.",
    "A {word} thing, and I am glad to have it.", "If you like the {word} look, this is for you.",
)  # fmt: skip
OFF_STYLE = (
    "Too much of the {word} look for me.", "I thought a {word} piece would suit us; it does not.",
    "The {word} style is not my taste.",
)  # fmt: skip
HEADLINES: dict[int, list[str]] = {
    1: ["Terrible", "Avoid", "Money thrown away", "Broken on arrival", "Very angry"],
    2: ["Let down", "Not great", "Expected more", "Could be better", "Meh"],
    3: ["It is okay", "So-so", "Average", "Mixed feelings", "Does the job"],
    4: ["Nice", "Good buy", "Pleased", "Almost perfect", "Recommended"],
    5: ["Love it", "Wonderful", "A treasure", "Five stars", "Could not be better"],
}  # fmt: skip
