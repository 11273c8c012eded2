CREATE TABLE `checkpoint` (
	`id` integer PRIMARY KEY NOT NULL,
	`position` integer,
	`last_event` integer,
	`owner` text,
	`schema_version` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `parked_events` (
	`position` integer PRIMARY KEY NOT NULL,
	`stream` text NOT NULL,
	`number` integer NOT NULL,
	`type` text NOT NULL,
	`event_id` text NOT NULL,
	`event` blob NOT NULL,
	`error` text NOT NULL,
	`parked_at` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `parked_events_stream` ON `parked_events` (`stream`);--> statement-breakpoint
CREATE TABLE `user_count` (
	`id` integer PRIMARY KEY NOT NULL,
	`total` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `users` (
	`position` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`email` text NOT NULL,
	`canonical_email` text NOT NULL,
	`created_at` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_id_unique` ON `users` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `users_canonical_email_unique` ON `users` (`canonical_email`);