/* Says each line again, one marked inference a character. */
#include "serial.h"

static char line[100];

int main(void)
{
    serial_begin();
    for (;;) {
        uint8_t count = serial_line(line, sizeof line);
        for (uint8_t i = 0; i < count; i++) {
            GPIOR0 = 1;
            GPIOR0 = 16;
            char c = line[i];
            GPIOR0 = 17;
            GPIOR0 = 2;
            serial_put(c);
        }
        serial_put('\n');
    }
}
