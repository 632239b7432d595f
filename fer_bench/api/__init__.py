"""The public verbs, one module a kind of question: names become objects, objects are called."""
