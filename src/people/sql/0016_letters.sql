-- Links that let somebody in (`mail`) are counted apart from all other mails (`letter`): whoever floods an address with
-- those must not keep its owner from a link.
ALTER TABLE people.attempts DROP CONSTRAINT attempts_kind_check;
ALTER TABLE people.attempts ADD CONSTRAINT attempts_kind_check
    CHECK (kind IN ('password', 'mail', 'letter', 'invitation'));
