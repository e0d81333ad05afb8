/**
 * Text from outside that a terminal only shows: what it would obey is spelled `\u001b`. Line ends and tabs stay, so
 * that JSON, in whose strings neither stands raw, means the same afterwards.
 */
export function visible(text: string): string;
/** As `visible`, and in one line. */
export function oneLine(text: string): string;
/** A field of CSV (RFC 4180) in one line; what a spreadsheet would take for a formula is led in by an apostrophe. */
export function csvField(value: string | number | boolean): string;
