// The Arduino IDE wants a sketch with the folder's name. The program is main.c: its main() takes
// the place of the Arduino core's, so setup() and loop() are not used.
