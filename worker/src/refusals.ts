// The example's own refusals, and the constraints of its database that stand for one.
import { defineRefusals } from "postern/routes";

export const ownRefusals = {
	quantity_below_zero: {
		status: 409,
		message: "The quantity would fall below zero; nothing was changed",
	},
} as const;

export const { refusals } = defineRefusals(ownRefusals);

export const constraints = {
	quantity_is_not_negative: "quantity_below_zero",
	// The caller is a program, or a user who was deleted.
	creator: "unauthenticated",
	todos_creator_fkey: "unauthenticated",
} as const;
