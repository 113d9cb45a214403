-- Whether somebody hid the list of first steps from their overview.
ALTER TABLE people.users ADD COLUMN first_steps_hidden boolean NOT NULL DEFAULT false;
