
-- What all channels of the database share, made as the installer, so that rights on it can be granted below.
SET LOCAL ROLE %{role};

%{schema}

RESET ROLE;
