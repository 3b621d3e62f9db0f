"""The ATmega328P in C, and how it becomes WebAssembly."""
