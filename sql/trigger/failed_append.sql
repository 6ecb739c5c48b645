        BEGIN
            -- A job must not be lost: what its keys can't tell, a resync in the table does. Only where there is no table
            -- any more those who listen are told, and the pass that makes it anew tells everybody.%{patience}
%{guard}
        EXCEPTION WHEN OTHERS THEN%{undo}
%{tell}
        END;
