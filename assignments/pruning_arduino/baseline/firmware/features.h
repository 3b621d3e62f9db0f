/* Query and context become counts of hashed character groups: the network's input. */
#ifndef FEATURES_H
#define FEATURES_H

/* Fills the network's input from two strings that end with 0. */
void features_of(const char *query, const char *context);

#endif
