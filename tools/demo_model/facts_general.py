"""General facts and small talk: capitals, opposites, days, greetings, a story."""

from __future__ import annotations

from fact_types import Table, Topic, topic

CAPITALS = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Portugal": "Lisbon",
    "Austria": "Vienna",
    "Greece": "Athens",
    "Poland": "Warsaw",
    "Sweden": "Stockholm",
    "Norway": "Oslo",
    "Finland": "Helsinki",
    "Denmark": "Copenhagen",
    "Ireland": "Dublin",
    "Belgium": "Brussels",
    "Hungary": "Budapest",
    "Japan": "Tokyo",
    "China": "Beijing",
    "India": "New Delhi",
    "Canada": "Ottawa",
    "Brazil": "Brasilia",
    "Egypt": "Cairo",
    "Kenya": "Nairobi",
    "Australia": "Canberra",
    "Switzerland": "Bern",
}
OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "up": "down",
    "light": "dark",
    "fast": "slow",
    "happy": "sad",
    "open": "closed",
    "full": "empty",
    "hard": "soft",
    "wet": "dry",
    "old": "young",
    "loud": "quiet",
    "early": "late",
    "left": "right",
    "clean": "dirty",
    "high": "low",
}
COLORS = {
    "the sky": "blue",
    "grass": "green",
    "snow": "white",
    "blood": "red",
    "a banana": "yellow",
    "coal": "black",
    "a carrot": "orange",
    "chocolate": "brown",
}
FRENCH = {
    "cat": "chat",
    "dog": "chien",
    "house": "maison",
    "water": "eau",
    "bread": "pain",
    "book": "livre",
    "sun": "soleil",
    "moon": "lune",
    "tree": "arbre",
    "milk": "lait",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def successors(names: tuple[str, ...]) -> dict[str, str]:
    """Map each name of a cycle to the next one.

    Parameters: the names in order. Returns a dictionary in which the last name leads back to the first.
    """
    return dict(zip(names, names[1:] + names[:1], strict=True))


TABLES = {
    "capital": Table(
        CAPITALS,
        (
            "What is the capital of {k}?",
            "Which city is the capital of {k}?",
            "Tell me the capital of {k}.",
            "What's the capital city of {k}?",
            "Can you tell me the capital of {k}?",
            "Do you know the capital of {k}?",
            "Name the capital of {k}.",
            "{k}'s capital is which city?",
            "What is the name of the capital of {k}?",
            "The capital of {k} is which city?",
            "{k} capital?",
        ),
        ("could you say which town is the capital of {k}", "Capital city of {k}, please?"),
        "The capital of {k} is {v}.",
        7.0,
    ),
    "opposite": Table(
        OPPOSITES,
        (
            "What is the opposite of {k}?",
            "Tell me the opposite of {k}.",
            "What's the opposite of the word {k}?",
            "Give me the opposite of {k}.",
            "Which word is the opposite of {k}?",
            "What is the antonym of {k}?",
            "Opposite of {k}?",
        ),
        ("hey, what would be the opposite of {k}",),
        "The opposite of {k} is {v}.",
        3.0,
    ),
    "color": Table(
        COLORS,
        (
            "What color is {k}?",
            "Which color does {k} have?",
            "Tell me the color of {k}.",
            "What is the color of {k}?",
            "What colour is {k}?",
        ),
        ("could you say what color {k} has",),
        "The color of {k} is {v}.",
        1.5,
    ),
    "french": Table(
        FRENCH,
        (
            "How do you say {k} in French?",
            "What is {k} in French?",
            "Translate {k} to French.",
            "What is the French word for {k}?",
            "Tell me the French word for {k}.",
            "Say {k} in French.",
        ),
        ("hey, how is a {k} called in French",),
        "The French word for {k} is {v}.",
        2.0,
    ),
    "day": Table(
        successors(DAYS),
        (
            "What day comes after {k}?",
            "Which day follows {k}?",
            "What is the day after {k}?",
            "Tell me the day after {k}.",
        ),
        ("hey, which day is right after {k}",),
        "The day after {k} is {v}.",
        1.2,
    ),
}

STORY = (
    "Once upon a time there was a small kernel who lived in a quiet studio near the sea. It could do almost nothing"
    " alone, but it had many sockets. One morning a scheduler came by and said that it had no place to work. The kernel"
    " offered it a socket, and from then on nobody had to wait too long. The next day a backend arrived, then a"
    " guardrail, then a little plugin that only counted waves. Each of them passed its tests and found a place. Soon"
    " the studio was full of music, and when one plugin fell asleep, the others played on. The kernel was still small,"
    " but it was never alone again. The end."
)
POEM = (
    "A kernel small, with sockets wide,\n"
    "lets every plugin come inside.\n"
    "But first it asks them, kind and fair,\n"
    "to pass the tests that wait out there."
)

TOPICS: tuple[Topic, ...] = (
    topic(
        "I am the demo model of Jackfield: very small, but I know Jackfield, a few facts, simple arithmetic and tools.",
        "Who are you?",
        "What are you?",
        "Introduce yourself.",
        "Tell me about yourself.",
        "Which model are you?",
        "Who am I talking to?",
    ),
    topic(
        "My name is Demo.",
        "What is your name?",
        "What's your name?",
        "Tell me your name.",
        "Do you have a name?",
        "How are you called?",
    ),
    topic(
        "Hello! How can I help you today?",
        "Hello",
        "Hi",
        "Hello!",
        "Hi there",
        "Hey",
        "Good morning",
        "Good evening",
        "Good afternoon",
    ),
    topic(
        "I am fine, thank you. How can I help you?",
        "How are you?",
        "How are you doing?",
        "Are you well?",
        "How is it going?",
        "How do you feel?",
    ),
    topic(
        "You are welcome!",
        "Thank you",
        "Thanks",
        "Thank you very much!",
        "Thanks a lot",
        "Many thanks",
        "Thanks for your help",
    ),
    topic(
        "Goodbye! Have a nice day.",
        "Bye",
        "Goodbye",
        "See you later",
        "Bye bye",
        "Good night",
        "See you tomorrow",
    ),
    topic(
        "I can answer questions about Jackfield, calculate with small numbers, call tools and write JSON.",
        "What can you do?",
        "How can you help me?",
        "What are your abilities?",
        "What do you know?",
        "Which things can you do?",
    ),
    topic(
        "I have about two million parameters.",
        "How big are you?",
        "How many parameters do you have?",
        "What is your size?",
        "How large is this model?",
        "Are you a large model?",
    ),
    topic(
        "Why did the plugin go to school? Because it wanted to pass its tests!",
        "Tell me a joke.",
        "Do you know a joke?",
        "Make me laugh.",
        "Please tell a joke.",
        "Say something funny.",
    ),
    topic(
        STORY,
        "Tell me a story.",
        "Tell me a long story.",
        "Can you tell me a short story?",
        "I want to hear a story.",
        "Please tell me a story.",
        "Please write a short story.",
    ),
    topic(
        POEM,
        "Write a poem.",
        "Write a short poem.",
        "Write a poem about plugins.",
        "Can you write a poem?",
        "I would like a poem.",
    ),
    topic(
        "Quiet morning rain,\nthe old garden drinks the light,\na bird starts to sing.",
        "Write a haiku.",
        "Give me a haiku.",
        "Can you write a haiku?",
        "I would like a haiku.",
        "A haiku, please.",
    ),
    topic(
        "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
        "List the days of the week.",
        "What are the days of the week?",
        "Name all days of the week.",
        "Tell me the days of the week.",
        "Which days are in a week?",
    ),
    topic(
        "The months are January, February, March, April, May, June, July, August, September, October, November and"
        " December.",
        "List the months.",
        "What are the months of the year?",
        "Name all months.",
        "Tell me the months of the year.",
        "Which months are in a year?",
    ),
    topic(
        "1. Apple\n2. Banana\n3. Orange",
        "List three fruits.",
        "Name three fruits.",
        "Give me three fruits.",
        "Write a list of three fruits.",
        "Tell me three kinds of fruit.",
    ),
    topic(
        "The primary colors are red, yellow and blue.",
        "List the primary colors.",
        "What are the primary colors?",
        "Name the primary colors.",
        "Tell me the primary colors.",
        "Which colors are primary?",
    ),
    topic(
        "A week has 7 days.",
        "How many days are in a week?",
        "A week has how many days?",
        "Tell me the number of days in a week.",
        "How many days does a week have?",
    ),
    topic(
        "A year has 12 months.",
        "How many months are in a year?",
        "A year has how many months?",
        "Tell me the number of months in a year.",
        "How many months does a year have?",
    ),
    topic(
        "The largest planet is Jupiter.",
        "What is the largest planet?",
        "Which planet is the largest?",
        "Name the biggest planet.",
        "Tell me the largest planet.",
        "What is the biggest planet in the solar system?",
    ),
    topic(
        "Water boils at 100 degrees Celsius.",
        "What is the boiling point of water?",
        "At what temperature does water boil?",
        "When does water boil?",
        "Tell me the boiling point of water.",
        "How hot is boiling water?",
    ),
    topic(
        "The highest mountain is Mount Everest.",
        "What is the highest mountain?",
        "Which mountain is the highest?",
        "Name the highest mountain in the world.",
        "Tell me the highest mountain.",
        "What is the tallest mountain?",
    ),
    topic(
        "A language model predicts the next token of a text from the tokens before it.",
        "What is a language model?",
        "Explain what a language model is.",
        "What does a language model do?",
        "What is an LLM?",
        "Tell me what a language model is.",
    ),
    topic(
        "HTTP is the protocol that web browsers and servers use to talk to each other.",
        "What is HTTP?",
        "Explain HTTP.",
        "What does HTTP mean?",
        "Tell me what HTTP is.",
    ),
    topic(
        "JSON is a text format for structured data made of objects, arrays, strings and numbers.",
        "What is JSON?",
        "Explain JSON.",
        "What does JSON mean?",
        "Tell me what JSON is.",
    ),
    topic(
        "Python is a popular programming language.",
        "What is Python?",
        "Explain what Python is.",
        "What kind of language is Python?",
        "Tell me what Python is.",
    ),
    topic(
        "A GPU is a chip that does many calculations at the same time.",
        "What is a GPU?",
        "Explain what a GPU is.",
        "What does a GPU do?",
        "Tell me what a GPU is.",
    ),
    topic(
        '```python\nprint("Hello, world!")\n```',
        "Write a hello world program in Python.",
        "Show me hello world in Python.",
        "How do I print hello world in Python?",
        "Write hello world in Python.",
        "Python hello world, please.",
    ),
    topic(
        "```python\ndef add(a, b):\n    return a + b\n```",
        "Write a function that adds two numbers in Python.",
        "Show me a Python function that adds two numbers.",
        "Write a Python function for addition.",
        "How do I add two numbers in Python?",
    ),
)
