// Ways to write the outbox, each on a table of its own, for `npm run bench:trigger-trials`. Not all of them keep the promises:
// docs/benchmarks.md says what each one gives up.

export interface Trial {
	readonly name: string;
	/** The statements that give this table its trigger for updates, after an outbox of its own was made in the schema `trial`. */
	sql(table: string): string;
}

/** The table's own outbox. */
const outboxOf = (table: string) => `trial.outbox_${table}`;
const KEY = "this.aid";
const BOTH = `select ${KEY} from new_rows as this union all select ${KEY} from old_rows as this`;
const TRANSITION = "referencing old table as old_rows new table as new_rows";
const STATEMENT = `${TRANSITION} for each statement`;
const WRITTEN = "textin(oidout(tg_relid))";
const SAFELY = "security definer set search_path = pg_catalog, pg_temp";
const XID = "xid8 not null default pg_current_xact_id()";

/** What the trigger of a table with one key column does now. */
const aggregated = (outbox: string, tag = WRITTEN, rows = BOTH) => `
	insert into ${outbox} (tag, rows)
	select ${tag}, changed.keys
	from (select array(select one.key::text from (${rows}) as one (key) limit 101) offset 0) as changed (keys)
	where cardinality(changed.keys) > 0`;

interface Parts {
	readonly body?: (outbox: string) => string;
	readonly fires?: string;
	readonly options?: string;
	readonly xid?: string;
	readonly index?: (outbox: string) => string;
	readonly besides?: (table: string, outbox: string) => string;
}

const BTREE = (outbox: string) => `create index on ${outbox} (xid)`;

function trial(name: string, parts: Parts): Trial {
	const { body = (outbox) => aggregated(outbox) } = parts;
	const { fires = STATEMENT, options = SAFELY } = parts;
	const { xid = XID, index = BTREE, besides = none } = parts;
	return {
		name,
		sql(table) {
			const outbox = outboxOf(table);
			return `
				create table ${outbox} (xid ${xid}, tag text collate "C" not null, rows text[] collate "C");
				${index(outbox)};
				do $do$ begin
					execute format(
						'create function trial.write_${table}() returns trigger language plpgsql volatile ${options} as %L',
						replace($body$ begin ${body(outbox)}; return null; end $body$, ':oid', 'public.${table}'::regclass::oid::text));
				end $do$;
				create trigger postern_update after update on public.${table} ${fires} execute function trial.write_${table}();
				alter table public.${table} enable always trigger postern_update;
				${besides(table, outbox)}`;
		},
	};
}

const none = () => "";
const constant = "':oid'";
const anyRow = (outbox: string) =>
	`insert into ${outbox} (tag, rows) values (${WRITTEN}, '{*}')`;
const eachRow = (outbox: string, tag = WRITTEN) =>
	`insert into ${outbox} (tag, rows) values (${tag}, array[new.aid::text, old.aid::text])`;
const NUMBER = "bigint not null default pg_current_xact_id()::text::bigint";

export const TRIALS: readonly Trial[] = [
	trial("as it is", {}),
	trial("the tag a constant of the function", {
		body: (outbox) => aggregated(outbox, constant),
	}),
	trial("no transition tables, no row tags", {
		body: anyRow,
		fires: "for each statement",
	}),
	trial("no aggregation: a row of the outbox for each", {
		body: (outbox) =>
			`insert into ${outbox} (tag, rows) select ${WRITTEN}, array[one.key::text] from (${BOTH}) as one (key)`,
	}),
	trial("no aggregation, right for one row only", {
		body: (outbox) =>
			`insert into ${outbox} (tag, rows) select ${WRITTEN}, array[new_rows.aid::text, old_rows.aid::text] from new_rows, old_rows limit 1`,
	}),
	trial("new rows alone; old keys by a row trigger", {
		body: (outbox) =>
			aggregated(outbox, WRITTEN, `select ${KEY} from new_rows as this`),
		fires: "referencing new table as new_rows for each statement",
		besides: (table, outbox) => `
			create function trial.move_${table}() returns trigger language plpgsql volatile ${SAFELY} as
				'begin ${eachRow(outbox)}; return null; end';
			create trigger postern_move after update on public.${table} for each row when (old.aid is distinct from new.aid) execute function trial.move_${table}()`,
	}),
	trial("a trigger for each row", {
		body: (outbox) => eachRow(outbox),
		fires: "for each row",
	}),
	trial("BRIN", {
		xid: NUMBER,
		index: (outbox) =>
			`create index on ${outbox} using brin (xid) with (pages_per_range = 8)`,
	}),
	trial("no index", { index: none }),
	trial("no search path of its own, not security definer", { options: "" }),
	trial("nothing but the transition tables", {
		body: () => "perform 1",
	}),
	trial("nothing at all, for each statement", {
		body: () => "perform 1",
		fires: "for each statement",
	}),
	trial("for each row, constant tag, no index", {
		body: (outbox) => eachRow(outbox, constant),
		fires: "for each row",
		index: none,
	}),
];
