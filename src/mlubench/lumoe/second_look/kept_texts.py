"""Whether any of very many texts tells a fact in full, by few look-ups: what must stay may be told by the same words."""

from collections import defaultdict

from mlubench.lumoe.second_look.keys import Weights, needed_words, tells_in_full


class KeptTexts:
    """Texts as their words, by each word."""

    def __init__(self) -> None:
        self._texts: set[frozenset[str]] = set()
        self._with_word: dict[str, list[frozenset[str]]] = defaultdict(list)

    def add(self, words: frozenset[str]) -> bool:
        """Adds a text. False where one of the same words is there."""
        if words in self._texts:
            return False
        self._texts.add(words)
        for word in words:
            self._with_word[word].append(words)
        return True

    def tell(self, weights: Weights) -> bool:
        """Whether one of them tells the fact in full. A text that does says one of the words that it cannot do without."""
        for word in needed_words(weights, lambda word: len(self._with_word.get(word, ()))):
            for text in self._with_word.get(word, ()):
                if tells_in_full(text, weights):
                    return True
        return False
