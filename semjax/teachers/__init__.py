"""Teachers: what can say something of pictures once, so that training and evaluation need not ask again."""
