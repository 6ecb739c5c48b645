"""What waits for the application: merged per key, bounded, told the time. Pure: no clock, no asyncio, no HTTP."""
