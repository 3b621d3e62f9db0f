/* The functions of <string.h>, <stdlib.h> and <avr/pgmspace.h> that small firmware uses. Each
 * lies in a section of its own, so a program carries only those that it calls. */
#include <avr/pgmspace.h>
#include <stdlib.h>
#include <string.h>

void *memcpy(void *to, const void *from, size_t count)
{
    char *t = to;
    const char *f = from;
    while (count--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    char *t = to;
    const char *f = from;
    if (t <= f)
        return memcpy(to, from, count);
    for (t += count, f += count; count--;)
        *--t = *--f;
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *t = to;
    while (count--)
        *t++ = value;
    return to;
}

int memcmp(const void *left, const void *right, size_t count)
{
    const unsigned char *l = left, *r = right;
    for (; count--; l++, r++)
        if (*l != *r)
            return *l - *r;
    return 0;
}

void *memchr(const void *where, int value, size_t count)
{
    for (const unsigned char *w = where; count--; w++)
        if (*w == (unsigned char)value)
            return (void *)w;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return end - text;
}

size_t strnlen(const char *text, size_t most)
{
    size_t count = 0;
    while (count < most && text[count])
        count++;
    return count;
}

char *strcpy(char *to, const char *from)
{
    for (char *t = to; (*t++ = *from++);) {}
    return to;
}

char *strncpy(char *to, const char *from, size_t count)
{
    char *t = to;
    for (; count && *from; count--)
        *t++ = *from++;
    while (count--)
        *t++ = 0;
    return to;
}

char *strcat(char *to, const char *from)
{
    strcpy(to + strlen(to), from);
    return to;
}

int strncmp(const char *left, const char *right, size_t count)
{
    for (; count; count--, left++, right++)
        if (*left != *right || !*left)
            return (unsigned char)*left - (unsigned char)*right;
    return 0;
}

int strcmp(const char *left, const char *right) { return strncmp(left, right, (size_t)-1); }

char *strchr(const char *text, int value)
{
    for (;; text++) {
        if (*text == (char)value)
            return (char *)text;
        if (!*text)
            return NULL;
    }
}

char *strrchr(const char *text, int value)
{
    const char *found = NULL;
    do {
        if (*text == (char)value)
            found = text;
    } while (*text++);
    return (char *)found;
}

/* The same for texts in flash. */

void *memcpy_P(void *to, const void *from, size_t count)
{
    char *t = to;
    const char *f = from;
    while (count--)
        *t++ = pgm_read_byte(f++);
    return to;
}

int memcmp_P(const void *left, const void *right, size_t count)
{
    const unsigned char *l = left, *r = right;
    for (; count--; l++, r++)
        if (*l != pgm_read_byte(r))
            return *l - pgm_read_byte(r);
    return 0;
}

size_t __strlen_P(const char *text)
{
    size_t count = 0;
    while (pgm_read_byte(text++))
        count++;
    return count;
}

char *strcpy_P(char *to, const char *from)
{
    for (char *t = to; (*t++ = pgm_read_byte(from++));) {}
    return to;
}

int strncmp_P(const char *left, const char *right, size_t count)
{
    for (; count; count--, left++, right++) {
        char r = pgm_read_byte(right);
        if (*left != r || !*left)
            return (unsigned char)*left - (unsigned char)r;
    }
    return 0;
}

int strcmp_P(const char *left, const char *right) { return strncmp_P(left, right, (size_t)-1); }

/* Numbers */

int atoi(const char *text)
{
    int value = 0, negative;
    while (*text == ' ')
        text++;
    negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    while (*text >= '0' && *text <= '9')
        value = 10 * value + *text++ - '0';
    return negative ? -value : value;
}
