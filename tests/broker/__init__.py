"""Against a real RabbitMQ."""
