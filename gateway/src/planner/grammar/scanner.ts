// Reads text from left to right, with the pieces of PostgREST's grammar that its parameters share. Accepts only what
// PostgREST 12 to 16 agree on. Anything else is an error, not a guess.
import { NotCacheable } from "../plan.ts";

/** Letters, digits and inner spaces, with single dashes between them. A dash that begins an arrow ends the name. */
const IDENTIFIER = /[\p{L}0-9_ $]+(?:-(?!>)[\p{L}0-9_ $]+)*/uy;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const INDEX = /-?[0-9]+(?=->|::|[.,)]|$)/y;
const BLANKS = /[ \t]*/y;

/** A column, with or without a path into its JSON. */
export interface Field {
	readonly name: string;
	/** The type of the path's value; undefined where there is no path. */
	readonly path: "json" | "text" | undefined;
}

export class Scanner {
	readonly #text: string;
	readonly #what: string;
	#position = 0;

	/** @param what the name of the text in reasons */
	constructor(text: string, what: string) {
		this.#text = text;
		this.#what = what;
	}

	get isAtEnd(): boolean {
		return this.#position === this.#text.length;
	}

	/** Whether the text comes next. */
	sees(text: string): boolean {
		return this.#text.startsWith(text, this.#position);
	}

	/** Whether the text comes next. If so, moves behind it. */
	takes(text: string): boolean {
		if (!this.sees(text)) return false;
		this.#position += text.length;
		return true;
	}

	expect(text: string): void {
		if (!this.takes(text)) throw this.fail();
	}

	/** @param pattern sticky */
	match(pattern: RegExp): RegExpExecArray | undefined {
		pattern.lastIndex = this.#position;
		const found = pattern.exec(this.#text) ?? undefined;
		if (found !== undefined) this.#position += found[0].length;
		return found;
	}

	/** Takes everything that is left. */
	rest(): string {
		const rest = this.#text.slice(this.#position);
		this.#position = this.#text.length;
		return rest;
	}

	skipBlanks(): void {
		this.match(BLANKS);
	}

	expectEnd(): void {
		if (!this.isAtEnd) throw this.fail();
	}

	/** Tries to read something. Moves back if that fails. */
	attempt<T>(read: () => T | undefined): T | undefined {
		const start = this.#position;
		let found: T | undefined;
		try {
			found = read();
		} catch (error) {
			if (!(error instanceof NotCacheable)) throw error;
		}
		if (found === undefined) this.#position = start;
		return found;
	}

	/** A name, quoted or not. */
	name(): string {
		const name = this.nameIfAny();
		if (name === undefined) throw this.fail();
		return name;
	}

	nameIfAny(): string | undefined {
		const quotedName = this.quoted();
		if (quotedName !== undefined) return quotedName;
		const [text = ""] = this.match(IDENTIFIER) ?? [];
		const name = text.includes(" ") ? trimParts(text) : text;
		return name === "" ? undefined : name;
	}

	/** Text in double quotes. A backslash in it escapes the next character. */
	quoted(): string | undefined {
		const found = this.match(QUOTED);
		return found?.[1]?.replaceAll(/\\(.)/gs, "$1");
	}

	/** A name and the arrows after it, with blanks around. */
	field(): Field {
		this.skipBlanks();
		const field = this.fieldInName();
		this.skipBlanks();
		return field;
	}

	/** A name and its arrows in the name of a parameter, where blanks belong to the name. */
	fieldInName(): Field {
		const name = this.name();
		let path: Field["path"];
		while (this.sees("->")) {
			path = this.takes("->>") ? "text" : "json";
			if (path === "json") this.expect("->");
			if (this.match(INDEX) === undefined) this.name();
		}
		return { name, path };
	}

	fail(): NotCacheable {
		return new NotCacheable(`${this.#what} is not understood`);
	}
}

function trimParts(name: string): string {
	return name
		.split("-")
		.map((part) => part.trim())
		.join("-");
}
