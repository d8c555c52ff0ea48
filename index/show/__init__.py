"""How answers look: tables in every format, and cards on a terminal."""
