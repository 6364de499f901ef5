"""The interfaces of other stores, over Millpond."""
