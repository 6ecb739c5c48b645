SELECT CAST(%{value} AS %{type})
