// Chooses a session's next read: often a row that it wrote or saw before, because such reads put a
// promise to a session to the test.
import { QUERIES, type SentQuery } from "./queries.ts";
import { pickWeighted, type Random } from "./random.ts";
import type { GatewayWrite } from "./writes.ts";

export class Interest {
	readonly #random: Random;
	#related: readonly SentQuery[] = [];
	#last: SentQuery | undefined;

	constructor(random: Random) {
		this.#random = random;
	}

	wrote({ path }: GatewayWrite): void {
		const [, name = ""] = /^\/(?:rpc\/set_)?(\w+)/.exec(path) ?? [];
		const relation = name === "pair" ? "left_values" : name;
		this.#related = QUERIES.filter(({ reads }) => reads.includes(relation));
	}

	next(): SentQuery {
		const random = this.#random;
		if (this.#related.length > 0) {
			if (random.chance(0.6)) return random.pick(this.#related);
			this.#related = [];
		}
		if (this.#last === undefined || !random.chance(0.3))
			this.#last = pickWeighted(random, QUERIES);
		return this.#last;
	}
}
