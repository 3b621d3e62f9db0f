// C++ as the Arduino IDE compiles it: a class, a template, a global with a constructor.
extern "C" {
#include "serial.h"
}

class Counter {
public:
    explicit Counter(uint8_t from) : value(from) {}
    uint8_t next() { return value++; }
private:
    uint8_t value;
};

template <typename T> static T twice(T value) { return value + value; }

static Counter counter('a');

int main()
{
    serial_begin();
    for (;;) {
        char line[20];
        serial_line(line, sizeof line);
        GPIOR0 = 1;
        char c = counter.next() + twice<uint8_t>(0);
        GPIOR0 = 2;
        serial_put(c);
        serial_put('\n');
    }
}
