CREATE TABLE `todo_count` (
	`id` integer PRIMARY KEY NOT NULL,
	`total` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `todos` (
	`position` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`description` text NOT NULL,
	`reminder` text,
	`completed` integer NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `todos_id_unique` ON `todos` (`id`);
--> statement-breakpoint
INSERT INTO `todo_count` (`id`, `total`) VALUES (1, 0);
