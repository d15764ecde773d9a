-- What the sweep looks for is a handful among many: renewals, and data windows that are over.
CREATE INDEX consent_renewal ON consent (state, valid_from) WHERE arrangement <> id;
CREATE INDEX consent_by_data_end ON consent (data_until) WHERE data_until IS NOT NULL;
