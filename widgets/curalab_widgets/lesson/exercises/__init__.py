"""The exercises of each lesson, by lesson: what is true, what judges an answer, one solution."""
