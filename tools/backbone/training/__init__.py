"""Trains the backbone of Jidoka's anomaly score from drawn pictures and a teacher."""
