-- Holds folded text (projections/users/search.ts), so that case is decided there and not by the tokenizer.
-- The rows of users are its content: nothing is stored twice.
CREATE VIRTUAL TABLE `users_search` USING fts5(
	`name`,
	`email`,
	tokenize = 'trigram case_sensitive 1',
	content = '',
	columnsize = 0
);
--> statement-breakpoint
INSERT INTO `user_count` (`id`, `total`) VALUES (1, 0);
--> statement-breakpoint
-- A rebuild inserts thousands of rows in a transaction. These halve what a row costs then: what is kept in memory
-- before it is written, in bytes, and how many segments there may be before they are merged.
INSERT INTO `users_search` (`users_search`, `rank`) VALUES ('hashsize', 16777216);
--> statement-breakpoint
INSERT INTO `users_search` (`users_search`, `rank`) VALUES ('automerge', 16);
