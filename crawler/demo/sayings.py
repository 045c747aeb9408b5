"""A hundred quotes by forty authors: made of a few word lists, the same in every process. Nothing of it was ever said."""

import random
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cache
from urllib.parse import quote

_NOT_ASCII_WORDS = re.compile(r"[^A-Za-z0-9]+")
_NOT_WORDS = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who never was."""

    number: int
    name: str
    born: date
    place: str
    description: str

    @property
    def slug(self) -> str:
        """The name as a part of a path: ``J.T. Marrow`` gives ``J-T-Marrow``."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        return _NOT_ASCII_WORDS.sub("-", plain).strip("-")

    @property
    def old_slug(self) -> str:
        """As it was before the site thought of ASCII: ``Zoë-Ångmark``. Some links have it still."""
        return _NOT_WORDS.sub("-", self.name).strip("-")

    @property
    def profile(self) -> str:
        """A page about them on another site: a path of it."""
        return f"/author/show/{self.number}.{self.slug.replace('-', '_')}"


@dataclass(frozen=True, slots=True)
class Quote:
    """What they did not say."""

    number: int
    text: str
    """With its quotation marks, as the site shows it."""
    author: Author
    tags: tuple[str, ...]

    @property
    def about(self) -> str:
        """Path of the author's page; of every second quote the old one."""
        return f"/author/{quote(self.author.old_slug) if self.number % 2 else self.author.slug}"


@cache
def authors() -> tuple[Author, ...]:
    """All forty, in the order of their numbers."""
    return tuple(_author(number, name) for number, name in enumerate(_NAMES, start=1))


@cache
def quotes() -> tuple[Quote, ...]:
    """All hundred, in the order in which the site shows them. Each author has at least one."""
    rng = random.Random("quotes")
    speakers = [*authors(), *rng.choices(authors()[:12], k=100 - len(_NAMES))]
    rng.shuffle(speakers)
    texts = dict.fromkeys(_ODD)
    while len(texts) < len(speakers):
        texts[rng.choice(_SENTENCES).format_map({kind: rng.choice(words) for kind, words in _WORDS.items()})] = None
    shuffled = rng.sample(list(texts), len(texts))
    tagged = [tuple(sorted(rng.sample(_TAGS, k=rng.choice((0, 1, 1, 2, 3, 5))))) for _ in shuffled]
    rows = enumerate(zip(shuffled, speakers, tagged, strict=True), start=1)
    return tuple(Quote(number, f"“{text}”", author, tags) for number, (text, author, tags) in rows)


def _author(number: int, name: str) -> Author:
    """The same author for the same name, always."""
    rng = random.Random(f"author {name}")
    words = {kind: rng.choice(choices) for kind, choices in _WORDS.items()}
    born = date(rng.randint(1701, 1979), rng.randint(1, 12), rng.randint(1, 28))
    told = " ".join(rng.choice(sentences).format_map({**words, "name": name}) for sentences in _LIVES)
    return Author(number, name, born, f"{rng.choice(_TOWNS)}, {rng.choice(_LANDS)}", told)


_NAMES = (
    "Orla Winterbourne,Tobias Fennimore,Zoë Ångmark,J.T. Marrow,Siobhán O'Dellary,Matthias Grünholz,Ada-Lynn Pryce,"
    "Caspian Rook,Eudora Vale,Ivo Tamarind,Nadezhda Corvin,Wendell Ashgrove,Beatrix Loam,Cosmo Hartwhistle,"
    "Delphine Sorrel,Ezra Quillon,Fern Abernook,Gideon Larksong,Hester Moss,Isolde Brambleby,Jasper Thornquist,"
    "Keziah Dunlow,Leopold Merriweir,Mirabel Stroud,Nestor Plum,Ottoline Fray,Percival Gull,Quentin Ossory,"
    "Rosalind Tideway,Silas Underbough,Tamsin Yarrowby,Ulric Penhallow,Verity Snow,Winifred Oxlade,Xanthe Bellamore,"
    "Yorick Candlewood,Zachary Inkpen,E. Marlow-Finch,Aldous Peat,Clementine Roe"
).split(",")
_TOWNS = "Upper Sallow,Brackenport,Lindenmouth,Quayhollow,Oststrand,Saint-Aubelle,Three Weirs,Velmora".split(",")
_LANDS = "The Northern Isles,Carrowmere,Valdonia,Esterreich-on-Sea,The Long Coast".split(",")
_TAGS = (
    "advice,bees,books,bread,cats,change,deep-thoughts,friendship,gardens,hope,humour,kindness,life,maps,"
    "patience,rain,simplicity,time,truth,walking,work,writing"
).split(",")
_ODD = (
    "If cleverness < kindness, keep the kindness & lose the argument.",
    'When I was asked what I would save from the fire, I said: "The </script> of the play, and the cat."',
    "Début, crème brûlée, fin: every good evening has three acts.",
)
"""What trips up those who cut HTML and scripts apart by hand."""
_WORDS = {
    "noun": "patience,curiosity,silence,a garden,a letter,good bread,an open window,an old map,laughter,rain".split(
        ","
    ),
    "other": "hurry,certainty,noise,fame,a full purse,advice,a locked gate,the last word,thunder,dust".split(","),
    "verb": "mend,carry,forgive,remember,begin,untangle,outlast,brighten".split(","),
    "thing": "a morning,a friendship,a broken clock,a long road,a bad chapter,a stubborn heart,a kitchen".split(","),
    "person": "gardener,ferryman,beekeeper,night watchman,piano tuner,mapmaker,baker,lighthouse keeper".split(","),
}
_SENTENCES = (
    "Give me {noun} rather than {other}, and I shall {verb} {thing} before noon.",
    "The {person} who has {noun} needs nobody to {verb} {thing}.",
    "It takes {noun} to {verb} {thing}, and only {other} to lose it.",
    "I went out to {verb} {thing} and came home with {noun}.",
    "Ask a {person} about {other}: you will be told of {noun}.",
    "Whoever would {verb} {thing} must first make peace with {other}.",
    "There is more of {noun} in {thing} than a {person} cares to admit.",
    "Do not {verb} {thing} for the sake of {other}; do it for {noun}.",
)
_LIVES = (
    "{name} was first a {person}, and never quite stopped being one.|{name} wrote late, slept badly, and kept bees.|"
    "Little is known of {name}, and most of it was made up by {name}.".split("|"),
    "The best-known of the essays is about {noun}.|Eleven volumes of letters to a {person} are lost.|"
    "A study of {other} was begun in every decade of a long life, and finished in none.".split("|"),
    "Critics found too much {noun} in the work; readers didn't mind.|The house is a museum of {thing} today.".split(
        "|"
    ),
)
