// Bytes as a text, or an error where they are none: what is cut off in a character, or in another encoding, is never taken for a text.

/** Keeps nothing from one text to the next. */
export const strictUtf8 = new TextDecoder("utf-8", {
	fatal: true,
	ignoreBOM: true,
});
