"""The ATmega328P in C, and its compilation to WebAssembly."""
