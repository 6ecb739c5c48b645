FETCH FORWARD %{most} FROM notifychannel_replay
