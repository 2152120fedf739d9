"""From an approved order to its executions: order states, account gate, router core."""
