"""The index for programs that write code: answers with a bound on their length, over MCP."""
