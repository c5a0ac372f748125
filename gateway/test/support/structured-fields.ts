// A parser of Structured Field Lists (RFC 8941, section 4.2.1) that refuses anything malformed: for Cache-Status.

type BareItem = string | number | boolean;

export interface Member {
	name: string;
	parameters: Record<string, BareItem>;
}

/** @throws {Error} where the text is no list of Tokens or Strings with parameters */
export function parseList(text: string): Member[] {
	let rest = text.trim();
	const members: Member[] = [];
	while (rest !== "") {
		const name = item();
		if (typeof name !== "string") throw new Error(`no name: ${text}`);
		members.push({ name, parameters: parameters() });
		rest = rest.trimStart();
		if (rest === "") break;
		take(/^,[ \t]*/);
		if (rest === "") throw new Error(`a trailing comma: ${text}`);
	}
	return members;

	function parameters(): Record<string, BareItem> {
		const found: Record<string, BareItem> = {};
		while (rest.startsWith(";")) {
			take(/^; */);
			const key = take(/^[a-z*][a-z\d_.*-]*/);
			if (key in found) throw new Error(`${key} twice: ${text}`);
			if (rest.startsWith("=")) {
				take(/^=/);
				found[key] = item();
			} else found[key] = true;
		}
		return found;
	}

	function item(): BareItem {
		if (rest.startsWith('"'))
			return take(/^"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/)
				.slice(1, -1)
				.replace(/\\(.)/g, "$1");
		if (/^[-\d]/.test(rest)) return Number(take(/^-?\d{1,15}(?![\d.])/));
		if (rest.startsWith("?")) return take(/^\?[01]/) === "?1";
		return take(/^[A-Za-z*][\w!#$%&'*+.^`|~:/-]*/);
	}

	function take(pattern: RegExp): string {
		const [found] = pattern.exec(rest) ?? [];
		if (found === undefined) throw new Error(`"${rest}" in: ${text}`);
		rest = rest.slice(found.length);
		return found;
	}
}
