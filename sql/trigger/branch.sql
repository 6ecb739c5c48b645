        IF TG_OP = '%{event}' THEN
%{compute}
        END IF;
