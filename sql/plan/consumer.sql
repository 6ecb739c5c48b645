    PERFORM notifychannel.put_consumer(
        %{owner}, %{group}, %{pg_channel}, %{rules}, %{key_names}, %{suspended},
        debounce => %{debounce}, max_delay => %{max_delay}, min_interval => %{min_interval}, timeout => %{timeout},
        max_attempts => %{max_attempts}, initial_delay => %{initial_delay}, longest_delay => %{longest_delay},
        escalate_after => %{escalate_after}
    );
